%% The two VMs: this one, which holds the clients, and another, which holds the servers and ends with it.
-module(bench_vm).
-export([become_client/0, with_other/2]).
-export([serve/2]).

%% How long the other VM may take to start, and to end, in milliseconds.
-define(START_MILLISECONDS, 20_000).
-define(STOP_MILLISECONDS, 5_000).

%% What the other VM does first: reads its name, the cookie and the modules from the one line on its standard input.
%% They are neither arguments, which other users can read, nor files, which would have to be removed.
-define(BOOT,
    "{Name, Cookie, Modules} = binary_to_term(base64:decode(string:trim(io:get_line(\"\")))),"
    "[{module, _} = code:load_binary(Module, File, Binary) || {Module, File, Binary} <- Modules],"
    "bench_vm:serve(Name, Cookie)."
).

%% Makes this VM one that can connect to others.
-spec become_client() -> ok.
become_client() ->
    become("client" ++ os:getpid(), random_cookie()).

%% Starts another VM with the modules, runs the work with its node's name, and ends it.
-spec with_other([{module(), file:filename(), binary()}], fun((node()) -> Result)) -> Result.
with_other(Modules, Work) ->
    Port = start(),
    try
        Work(connect(Port, Modules))
    after
        stop(Port)
    end.

%% The life of the other VM: says where it listens, then waits until its standard input ends.
-spec serve(string(), atom()) -> no_return().
serve(Name, Cookie) ->
    ok = logger:set_primary_config(level, none),
    ok = become(Name, Cookie),
    io:format("~b~n", [bench_names:own_port()]),
    wait_for_end().

wait_for_end() ->
    case io:get_line("") of
        Line when is_list(Line) -> wait_for_end();
        _EndOrError -> halt(0)
    end.

become(Name, Cookie) ->
    ok = application:set_env(kernel, inet_dist_use_interface, {127, 0, 0, 1}),
    {ok, _} = net_kernel:start([node_name(Name), longnames]),
    true = erlang:set_cookie(node(), Cookie),
    ok.

start() ->
    Erl = filename:join([code:root_dir(), "bin", "erl"]),
    Arguments = ["-noshell", "-start_epmd", "false", "-epmd_module", "bench_names", "-setcookie", "replaced_at_start"],
    open_port({spawn_executable, Erl}, [
        {args, Arguments ++ ["+Bd", "-eval", ?BOOT]}, {line, 1024}, exit_status, use_stdio, binary
    ]).

connect(Port, Modules) ->
    Name = "server" ++ integer_to_list(erlang:unique_integer([positive])) ++ "x" ++ os:getpid(),
    Start = base64:encode(term_to_binary({Name, erlang:get_cookie(), Modules})),
    true = port_command(Port, [Start, $\n]),
    ok = bench_names:learn(Name, listening_port(Port)),
    Node = node_name(Name),
    true = net_kernel:connect_node(Node),
    Node.

listening_port(Port) ->
    receive
        {Port, {data, {eol, Line}}} -> binary_to_integer(Line);
        {Port, {exit_status, Status}} -> error({other_vm_ended_at_start, Status})
    after ?START_MILLISECONDS -> error(other_vm_does_not_start)
    end.

%% Ends the VM and waits until it is gone, so that it takes no time from the next row.
stop(Port) ->
    case erlang:port_info(Port, os_pid) of
        {os_pid, Process} -> stop(Port, Process);
        undefined -> ok
    end.

stop(Port, Process) ->
    _ = [erpc:cast(Node, erlang, halt, [0]) || Node <- nodes()],
    receive
        {Port, {exit_status, _}} -> ok
    after ?STOP_MILLISECONDS -> kill(Port, Process)
    end.

%% For a VM that does not end by itself.
kill(Port, Process) ->
    _ = os:cmd("kill -KILL " ++ integer_to_list(Process)),
    receive
        {Port, {exit_status, _}} -> ok
    end.

node_name(Name) ->
    list_to_atom(Name ++ "@127.0.0.1").

random_cookie() ->
    {ok, Source} = file:open("/dev/urandom", [read, raw, binary]),
    {ok, <<Number:128>>} = file:read(Source, 16),
    ok = file:close(Source),
    list_to_atom(integer_to_list(Number, 36)).
