#!/usr/bin/env escript
%% -*- erlang -*-
%%! -start_epmd false -epmd_module bench_names -setcookie replaced_at_start +Bd
%% The work of the actor rows of `mobula bench`, done by Erlang/OTP, to compare the two in one run on one machine.
%%
%% What is measured: calls of gen_servers (one at a time, a thousand at a time, several clients, several servers, with a
%% large argument), starts of children of a supervisor, the memory of an idle gen_server, and how long a supervised one
%% is away after an error.
%%
%% How: this VM holds the clients. The gen_servers live in a second VM, which is started afresh for each row. So a call
%% is encoded, crosses the Erlang distribution over TCP on the loopback address, wakes a process of the other VM, and
%% its answer comes back the same way: as a call of ours crosses sockets between processes. Each row warms up, then
%% counts for about a second. Nothing here is durable, while the creation of an actor in a cluster is.
%%
%% Both VMs run with the options that OTP has by default, apart from error reports, which are off. No epmd is started
%% or asked: the first VM learns the second one's port from its output. The second VM ends with its standard input, so
%% that it never outlives the first one, however that ends.
%%
%% It prints one JSON object. Exit codes: 0 all is measured, 1 a row failed, 2 the arguments are wrong.
-mode(compile).

-define(USAGE,
    "usage: peer.escript [--filter REGEX] [--trials N] [--quick]~n"
    "  --filter REGEX  measure only rows whose name matches~n"
    "  --trials N      count for N seconds instead of one; the median second is the value~n"
    "  --quick         count for a tenth of the time: to see that it works, not how fast~n"
).

main(Arguments) ->
    % An end by this signal is seen as one, and is no success without a result.
    ok = os:set_signal(sigterm, default),
    Modules = load_modules(),
    case parse(Arguments, #{filter => "", trials => 1, quick => false}) of
        {ok, Options} -> measure(Options, Modules);
        help -> io:format(?USAGE);
        {error, Reason} -> refuse(Reason)
    end.

parse([], Options) ->
    {ok, Options};
parse(["--filter", Regex | Rest], Options) ->
    case re:compile(Regex, [unicode]) of
        {ok, _} -> parse(Rest, Options#{filter := Regex});
        {error, {Reason, Position}} -> {error, io_lib:format("--filter: ~ts at character ~b", [Reason, Position])}
    end;
parse(["--trials", Number | Rest], Options) ->
    case string:to_integer(Number) of
        {Trials, ""} when is_integer(Trials), Trials >= 1, Trials =< 100 -> parse(Rest, Options#{trials := Trials});
        _ -> {error, io_lib:format("--trials: ~ts is not a number from 1 to 100", [Number])}
    end;
parse(["--quick" | Rest], Options) ->
    parse(Rest, Options#{quick := true});
parse([Help | _], _) when Help =:= "--help"; Help =:= "-h" ->
    help;
parse([Other | _], _) ->
    {error, io_lib:format("~ts is not an option, or lacks its value", [Other])}.

measure(#{filter := Filter} = Options, Modules) ->
    case [Row || Row <- bench_rows:all(), matches(Row, Filter)] of
        [] ->
            Names = lists:join("; ", [Name || #{name := Name} <- bench_rows:all()]),
            refuse(["no row matches the filter; the rows are: ", Names]);
        Rows ->
            ok = logger:set_primary_config(level, none),
            run(Rows, plan(Options), Modules)
    end.

run(Rows, Plan, Modules) ->
    try
        ok = bench_vm:become_client(),
        Results = [bench_rows:measure(Row, Plan, Modules) || Row <- Rows],
        io:format("~ts~n", [bench_json:encode(bench_rows:report(Results))])
    catch
        Class:Reason:Stack ->
            io:format(standard_error, "peer.escript: a row failed: ~tp~n~tp~n", [{Class, Reason}, Stack]),
            halt(1)
    end.

matches(#{name := Name}, Filter) ->
    re:run(Name, Filter, [unicode, {capture, none}]) =:= match.

%% Times are milliseconds.
plan(#{quick := true}) -> #{warm_up => 50, trial => 100, trials => 1};
plan(#{trials := Trials}) -> #{warm_up => 500, trial => 1000, trials => Trials}.

refuse(Reason) ->
    io:format(standard_error, "peer.escript: ~ts~n" ?USAGE, [Reason]),
    halt(2).

%% Compiles and loads what lies in `src`, and gives it back for the second VM: nothing is written to disk.
load_modules() ->
    Sources = filename:join([filename:dirname(filename:absname(escript:script_name())), "src", "*.erl"]),
    [load_module(Source) || Source <- lists:sort(filelib:wildcard(Sources))].

load_module(Source) ->
    {ok, Module, Binary} = compile:file(Source, [binary, report_errors]),
    {module, Module} = code:load_binary(Module, Source, Binary),
    {Module, Source, Binary}.
