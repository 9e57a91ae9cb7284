%% The server that is called: an actor that does nothing, so that only the call is measured.
-module(bench_actor).
-behaviour(gen_server).
-export([start/0, start_link/0, start_link/1]).
-export([init/1, handle_call/3, handle_cast/2]).

%% Starts one that nobody supervises.
-spec start() -> {ok, pid()}.
start() ->
    {ok, _} = gen_server:start(?MODULE, [], []).

%% Starts a child of a supervisor.
-spec start_link() -> gen_server:start_ret().
start_link() ->
    gen_server:start_link(?MODULE, [], []).

%% Starts a child of a supervisor under a name.
-spec start_link(atom()) -> gen_server:start_ret().
start_link(Name) ->
    gen_server:start_link({local, Name}, ?MODULE, [], []).

init([]) ->
    {ok, no_state}.

handle_call(who, _From, State) -> {reply, self(), State};
handle_call(Request, _From, State) -> {reply, answer(Request), State}.

handle_cast({answer, {Client, Tag}, Request}, State) ->
    Client ! {Tag, answer(Request)},
    {noreply, State};
%% Says when, then fails as code with an error does. The counter is the system's, which both VMs read alike.
handle_cast({panic, Client}, _State) ->
    Client ! {panics, os:perf_counter(nanosecond)},
    error(panic).

answer(small_value) -> <<"ok">>;
answer({small_value, Argument}) when is_binary(Argument) -> <<"ok">>.
