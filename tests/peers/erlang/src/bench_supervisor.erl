%% The supervisors of the benchmark. They live in the other VM.
-module(bench_supervisor).
-behaviour(supervisor).
-export([start_dynamic/0, start_named/1]).
-export([init/1]).

%% Restarts that are allowed in a second: more than the benchmark causes.
-define(INTENSITY, 100_000).

%% Starts one whose children are started one by one.
-spec start_dynamic() -> {ok, pid()}.
start_dynamic() ->
    start_alone(dynamic).

%% Starts one with a permanent child under this name.
-spec start_named(atom()) -> {ok, pid()}.
start_named(Name) ->
    start_alone({named, Name}).

%% Not a part of the process that asks for it, which ends at once.
start_alone(Kind) ->
    {ok, Supervisor} = supervisor:start_link(?MODULE, Kind),
    true = unlink(Supervisor),
    {ok, Supervisor}.

init(dynamic) ->
    {ok, {#{strategy => simple_one_for_one}, [child(temporary, [])]}};
init({named, Name}) ->
    {ok, {#{strategy => one_for_one, intensity => ?INTENSITY, period => 1}, [child(permanent, [Name])]}}.

child(Restart, Arguments) ->
    #{id => actor, start => {bench_actor, start_link, Arguments}, restart => Restart, shutdown => brutal_kill}.
