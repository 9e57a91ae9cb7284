%% Calls a second, in the shapes of the rows of the same names.
%%
%% A call that is waited for is `gen_server:call`. One that is not is a cast that carries the address for its answer,
%% from a client that monitors each server once for all of its batch: so it is answered or known to have failed, as a
%% call of ours is. `gen_server:send_request` promises the same, but monitors the server anew for each call, and manages
%% less than half as many.
-module(bench_calls).
-export([sync/2, async/2, one_to_many/2, many_to_many/2, many_to_many_with_argument/2]).

%% Calls that a client has unanswered at a time.
-define(BATCH, 1_000).
%% Clients, and servers, where there are several.
-define(MANY, 4).
%% The argument. With us it is a reference to a value of this size, which the client has put.
-define(ARGUMENT_BYTES, 1024).
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
    Actors = [start_actor(Node)],
    rate(Plan, fun() -> batch(Actors, ?BATCH, small_value) end).

%% One client, which shares a batch out among several servers.
one_to_many(Node, Plan) ->
    Actors = start_actors(Node),
    rate(Plan, fun() -> batch(Actors, ?BATCH div ?MANY, small_value) end).

%% Several clients, each of which shares a batch out among all servers.
many_to_many(Node, Plan) ->
    Actors = start_actors(Node),
    Client = fun() -> batch(Actors, ?BATCH div ?MANY, small_value) end,
    rate(Plan, fun() -> together(lists:duplicate(?MANY, Client)) end).

%% Several clients, each of which has a server of its own, and an argument in every call.
many_to_many_with_argument(Node, Plan) ->
    Request = {small_value, binary:copy(<<7>>, ?ARGUMENT_BYTES)},
    Clients = [fun() -> batch([Actor], ?BATCH, Request) end || Actor <- start_actors(Node)],
    rate(Plan, fun() -> together(Clients) end).

rate(Plan, Round) ->
    #{value => bench_trial:rate(Plan, fun() -> bench_trial:timed(Round) end)}.

%% Sends so many requests to each of the actors, in turn, then waits for every answer; how many there were.
batch(Actors, Each, Request) ->
    Monitors = [monitor(process, Actor) || Actor <- Actors],
    Tag = make_ref(),
    ok = send(Actors, Each, {self(), Tag}, Request),
    Count = Each * length(Actors),
    ok = receive_answers(Count, Tag),
    _ = [true = demonitor(Monitor, [flush]) || Monitor <- Monitors],
    Count.

send(_Actors, 0, _From, _Request) ->
    ok;
send(Actors, Each, From, Request) ->
    _ = [ok = gen_server:cast(Actor, {answer, From, Request}) || Actor <- Actors],
    send(Actors, Each - 1, From, Request).

receive_answers(0, _Tag) ->
    ok;
receive_answers(Left, Tag) ->
    receive
        {Tag, <<"ok">>} -> receive_answers(Left - 1, Tag);
        {'DOWN', _, process, Actor, Reason} -> error({server_ended, Actor, Reason})
    after ?ANSWER_MILLISECONDS -> error({unanswered, Left})
    end.

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

start_actor(Node) ->
    {ok, Actor} = erpc:call(Node, bench_actor, start, []),
    Actor.

start_actors(Node) ->
    [start_actor(Node) || _ <- lists:seq(1, ?MANY)].
