%% Calls a second, in the shapes of the rows of the same names.
%%
%% A call that is not waited for is `gen_server:send_request`: it is answered or fails, as a call of ours is, because it
%% also monitors the server.
-module(bench_calls).
-export([sync/2, async/2, concurrent/2, one_to_many/2, many_to_many/2, many_to_many_with_argument/2]).

%% Calls that a client has unanswered at a time.
-define(BATCH, 1_000).
%% Clients, and servers, where there are several.
-define(MANY, 4).
%% The large argument: what is still a part of the message with us.
-define(ARGUMENT_BYTES, 100 * 1024).
%% How long an answer may take, in milliseconds.
-define(ANSWER_MILLISECONDS, 30_000).

%% One client, one server, one call at a time.
sync(Node, Plan) ->
    Actor = start_actor(Node),
    rate(Plan, fun() ->
        <<"ok">> = gen_server:call(Actor, small_value),
        1
    end).

%% One client, one server.
async(Node, Plan) ->
    Actor = start_actor(Node),
    rate(Plan, fun() -> batch(lists:duplicate(?BATCH, Actor), small_value) end).

%% Several clients, one server: together they have as many calls unanswered as the one client above.
concurrent(Node, Plan) ->
    Actor = start_actor(Node),
    Calls = lists:duplicate(?BATCH div ?MANY, Actor),
    rate(Plan, fun() -> together([fun() -> batch(Calls, small_value) end || _ <- clients()]) end).

%% One client, several servers, a batch for each of them.
one_to_many(Node, Plan) ->
    Actors = start_actors(Node),
    Calls = [Actor || Actor <- Actors, _ <- lists:seq(1, ?BATCH)],
    rate(Plan, fun() -> batch(Calls, small_value) end).

%% Several clients, each of which calls all servers in turn.
many_to_many(Node, Plan) ->
    Calls = lists:append(lists:duplicate(?BATCH div ?MANY, start_actors(Node))),
    rate(Plan, fun() -> together([fun() -> batch(Calls, small_value) end || _ <- clients()]) end).

%% Several clients, each of which has a server of its own, and a large argument in every call.
many_to_many_with_argument(Node, Plan) ->
    Request = {small_value, binary:copy(<<7>>, ?ARGUMENT_BYTES)},
    Clients = [
        fun() -> batch(lists:duplicate(?BATCH, Actor), Request) end
     || Actor <- start_actors(Node)
    ],
    rate(Plan, fun() -> together(Clients) end).

rate(Plan, Round) ->
    #{value => bench_trial:rate(Plan, fun() -> bench_trial:timed(Round) end)}.

%% Sends the request to each of the actors in turn, then waits for every answer.
batch(Actors, Request) ->
    Requests = [gen_server:send_request(Actor, Request) || Actor <- Actors],
    answers(Requests, 0).

answers([], Count) ->
    Count;
answers([Request | Rest], Count) ->
    {reply, <<"ok">>} = gen_server:receive_response(Request, ?ANSWER_MILLISECONDS),
    answers(Rest, Count + 1).

%% Runs the clients at the same time, each in a process of its own; the sum of what they did.
together(Clients) ->
    Self = self(),
    Running = [spawn_monitor(fun() -> Self ! {self(), Client()} end) || Client <- Clients],
    lists:sum([client_result(Process, Monitor) || {Process, Monitor} <- Running]).

client_result(Process, Monitor) ->
    receive
        {Process, Count} ->
            true = demonitor(Monitor, [flush]),
            Count;
        {'DOWN', Monitor, process, Process, Reason} ->
            error({client_failed, Reason})
    end.

clients() ->
    lists:seq(1, ?MANY).

start_actor(Node) ->
    {ok, Actor} = erpc:call(Node, bench_actor, start, []),
    Actor.

start_actors(Node) ->
    [start_actor(Node) || _ <- lists:seq(1, ?MANY)].
