%% Where the VMs of the benchmark find each other: stands in for epmd, so that no daemon is needed.
%%
%% The first VM is told the port of the second one; the second one never connects by itself.
-module(bench_names).
-export([learn/2, own_port/0]).
-export([start_link/0, register_node/2, register_node/3, address_please/3, port_please/2, port_please/3, names/1]).

%% The version of the distribution's handshake that OTP 23 and newer speak.
-define(HANDSHAKE_VERSION, 6).
-define(LOOPBACK, {127, 0, 0, 1}).

%% Remembers the port on which a VM listens.
-spec learn(Name :: string(), inet:port_number()) -> ok.
learn(Name, Port) ->
    persistent_term:put({?MODULE, Name}, Port).

%% The port on which this VM listens, once it is distributed.
-spec own_port() -> inet:port_number().
own_port() ->
    persistent_term:get({?MODULE, own}).

%% What follows is what the distribution asks of its port mapper.

start_link() ->
    ignore.

register_node(Name, Port) ->
    register_node(Name, Port, inet).

register_node(_Name, Port, _Driver) ->
    persistent_term:put({?MODULE, own}, Port),
    % Tells this VM from an earlier one of its name; up to 3 is kept for old releases.
    {ok, 4 + rand:uniform(1_000_000)}.

address_please(Name, _Host, _Family) ->
    case persistent_term:get({?MODULE, Name}, unknown) of
        unknown -> {error, nxdomain};
        Port -> {ok, ?LOOPBACK, Port, ?HANDSHAKE_VERSION}
    end.

port_please(Name, Host) ->
    port_please(Name, Host, infinity).

port_please(Name, _Host, _Timeout) ->
    case persistent_term:get({?MODULE, Name}, unknown) of
        unknown -> noport;
        Port -> {port, Port, ?HANDSHAKE_VERSION}
    end.

names(_Host) ->
    {error, address}.
