%% How a rate is measured: a warm-up, then trials of the same length, of which the median counts.
-module(bench_trial).
-export([rate/2, timed/1, median/1, percentile/2]).
-export_type([plan/0]).

%% Lengths in milliseconds.
-type plan() :: #{warm_up := pos_integer(), trial := pos_integer(), trials := pos_integer()}.
%% What was done, and how long it took in nanoseconds.
-type round() :: {Operations :: non_neg_integer(), Nanoseconds :: non_neg_integer()}.

%% Repeats the round; operations a second. Only the time that the rounds report counts.
-spec rate(plan(), fun(() -> round())) -> float().
rate(#{warm_up := WarmUp, trial := Trial, trials := Trials}, Round) ->
    _ = run_for(WarmUp, Round),
    median([run_for(Trial, Round) || _ <- lists:seq(1, Trials)]).

%% Runs the work, which says how many operations it did.
-spec timed(fun(() -> non_neg_integer())) -> round().
timed(Work) ->
    Started = erlang:monotonic_time(nanosecond),
    Operations = Work(),
    {Operations, erlang:monotonic_time(nanosecond) - Started}.

%% The middle one; of an even number, the upper middle.
-spec median([number(), ...]) -> number().
median(Values) ->
    lists:nth(length(Values) div 2 + 1, lists:sort(Values)).

%% The smallest value that this share of all values (0 to 1) does not exceed.
-spec percentile(float(), [number(), ...]) -> number().
percentile(Share, Values) ->
    lists:nth(max(1, ceil(Share * length(Values))), lists:sort(Values)).

run_for(Milliseconds, Round) ->
    run_for(Milliseconds * 1_000_000, Round, 0, 0).

run_for(Length, _Round, Operations, Passed) when Passed >= Length ->
    Operations * 1.0e9 / Passed;
run_for(Length, Round, Operations, Passed) ->
    {More, Nanoseconds} = Round(),
    run_for(Length, Round, Operations + More, Passed + Nanoseconds).
