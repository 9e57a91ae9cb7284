%% The lives of actors: how fast they start, what an idle one holds, how long one is away after an error.
-module(bench_lives).
-export([created/2, memory/2, restart/2]).
-export([grown_bytes/1]).

%% Children that are started before their supervisor is replaced: far fewer than the processes a VM may have.
-define(CREATED_AT_A_TIME, 20_000).
%% Clients that wait for a start at the same time.
-define(CREATORS, 200).
%% Idle actors whose memory is measured.
-define(IDLE, 100_000).
%% Restarts before those that count, and those.
-define(RESTARTS_TO_WARM_UP, 20).
-define(RESTARTS, 200).
%% How long an actor may be away, in milliseconds.
-define(AWAY_MILLISECONDS, 5_000).

%% Children of one supervisor a second, many asked for at the same time. A start is answered once `init` has returned.
created(Node, Plan) ->
    #{value => bench_trial:rate(Plan, fun() -> created_round(Node) end)}.

created_round(Node) ->
    {ok, Supervisor} = erpc:call(Node, bench_supervisor, start_dynamic, []),
    Round = bench_trial:timed(fun() -> create(Supervisor) end),
    % The children go outside the measured time.
    ok = gen_server:stop(Supervisor, shutdown, infinity),
    Round.

create(Supervisor) ->
    Each = ?CREATED_AT_A_TIME div ?CREATORS,
    Creators = [spawn_monitor(fun() -> create(Supervisor, Each) end) || _ <- lists:seq(1, ?CREATORS)],
    [
        receive
            {'DOWN', Monitor, process, Process, Reason} -> normal = Reason
        end
     || {Process, Monitor} <- Creators
    ],
    Each * ?CREATORS.

create(_Supervisor, 0) ->
    ok;
create(Supervisor, Left) ->
    {ok, _Actor} = supervisor:start_child(Supervisor, []),
    create(Supervisor, Left - 1).

%% Bytes of resident memory by which the other VM has grown for each idle actor.
memory(Node, _Plan) ->
    #{value => erpc:call(Node, ?MODULE, grown_bytes, [?IDLE]) / ?IDLE}.

%% Starts so many actors in this VM; by how many bytes its resident memory has grown.
-spec grown_bytes(pos_integer()) -> integer().
grown_bytes(Count) ->
    % The first ones load code and grow tables that every later one shares.
    ok = start_actors(100),
    Before = resident_bytes(),
    ok = start_actors(Count),
    true = erlang:garbage_collect(),
    resident_bytes() - Before.

start_actors(0) ->
    ok;
start_actors(Left) ->
    {ok, _Actor} = bench_actor:start(),
    start_actors(Left - 1).

resident_bytes() ->
    {ok, Status} = file:read_file("/proc/self/status"),
    {match, [Kibibytes]} = re:run(Status, "VmRSS:\\s+(\\d+) kB", [{capture, all_but_first, binary}]),
    binary_to_integer(Kibibytes) * 1024.

%% Milliseconds from the error in a supervised actor to the first answer of the next one of its name.
restart(Node, _Plan) ->
    Name = benched,
    {ok, _Supervisor} = erpc:call(Node, bench_supervisor, start_named, [Name]),
    _ = [restart_once({Name, Node}) || _ <- lists:seq(1, ?RESTARTS_TO_WARM_UP)],
    Times = [restart_once({Name, Node}) || _ <- lists:seq(1, ?RESTARTS)],
    #{value => bench_trial:median(Times), p99 => bench_trial:percentile(0.99, Times)}.

restart_once(Address) ->
    Old = gen_server:call(Address, who),
    ok = gen_server:cast(Address, {panic, self()}),
    Failed =
        receive
            {panics, At} -> At
        after ?AWAY_MILLISECONDS -> error(no_panic)
        end,
    New = first_answer(Address, Failed + ?AWAY_MILLISECONDS * 1_000_000),
    Answered = os:perf_counter(nanosecond),
    true = New =/= Old,
    (Answered - Failed) / 1_000_000.

%% A call fails at once while nobody has the name, and then is tried again.
first_answer(Address, Deadline) ->
    try
        gen_server:call(Address, who)
    catch
        exit:Reason ->
            case os:perf_counter(nanosecond) < Deadline of
                true -> first_answer(Address, Deadline);
                false -> error({not_restarted, Reason})
            end
    end.
