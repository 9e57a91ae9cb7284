%% The rows: their names, which are those of `mobula bench`, and how each is measured.
-module(bench_rows).
-export([all/0, measure/3, report/1]).

-define(ONE_AT_A_TIME, <<"a process handles one message at a time">>).
-define(NO_NODES, <<"a supervisor of OTP restarts no child on another node">>).

-type row() :: #{name := binary(), unit := binary(), measure := fun((node(), bench_trial:plan()) -> map()) | binary()}.

%% Every row, in the order in which they are measured and printed.
-spec all() -> [row()].
all() ->
    [
        row(<<"1:1 actor calls sync">>, <<"/s">>, fun bench_calls:sync/2),
        row(<<"1:1 actor calls async">>, <<"/s">>, fun bench_calls:async/2),
        row(<<"1:1 actor calls concurrent">>, <<"/s">>, ?ONE_AT_A_TIME),
        row(<<"1:n actor calls async">>, <<"/s">>, fun bench_calls:one_to_many/2),
        row(<<"n:n actor calls async">>, <<"/s">>, fun bench_calls:many_to_many/2),
        row(<<"n:n actor calls with arg async">>, <<"/s">>, fun bench_calls:many_to_many_with_argument/2),
        row(<<"actors created per second">>, <<"/s">>, fun bench_lives:created/2),
        row(<<"memory per idle actor">>, <<"bytes">>, fun bench_lives:memory/2),
        row(<<"restart after a panic">>, <<"ms">>, fun bench_lives:restart/2),
        row(<<"restart after a node kill">>, <<"ms">>, ?NO_NODES)
    ].

%% A row has a measurement, or a note that says why it has none.
row(Name, Unit, Measure) ->
    #{name => Name, unit => Unit, measure => Measure}.

%% Measures a row with a fresh VM; its fields in the order in which they are printed.
-spec measure(row(), bench_trial:plan(), [{module(), file:filename(), binary()}]) -> [{binary(), term()}].
measure(#{name := Name, unit := Unit, measure := Note}, _Plan, _Modules) when is_binary(Note) ->
    [{<<"name">>, Name}, {<<"value">>, null}, {<<"unit">>, Unit}, {<<"note">>, Note}];
measure(#{name := Name, unit := Unit, measure := Measure}, Plan, Modules) ->
    Result = bench_vm:with_other(Modules, fun(Node) -> Measure(Node, Plan) end),
    Percentile = [{<<"p99">>, P99} || #{p99 := P99} <- [Result]],
    [{<<"name">>, Name}, {<<"value">>, maps:get(value, Result)}, {<<"unit">>, Unit} | Percentile].

%% What is printed: the rows, the release, and what one has to know about both.
-spec report([[{binary(), term()}]]) -> [{binary(), term()}].
report(Rows) ->
    Note = <<
        "two VMs with OTP's defaults, over TCP on the loopback address; "
        "the creation of an actor is not durable; memory is the growth of the VM's resident size"
    >>,
    [{<<"rows">>, {array, Rows}}, {<<"otp">>, release()}, {<<"note">>, Note}].

%% The full version where the installation says it.
release() ->
    Major = erlang:system_info(otp_release),
    case file:read_file(filename:join([code:root_dir(), "releases", Major, "OTP_VERSION"])) of
        {ok, Version} -> string:trim(Version);
        {error, _} -> list_to_binary(Major)
    end.
