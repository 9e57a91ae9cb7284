%% As much of JSON as the report needs: objects as lists of pairs, `{array, List}`, binaries, numbers and null.
-module(bench_json).
-export([encode/1]).

-spec encode(term()) -> iodata().
encode(null) ->
    <<"null">>;
encode(Number) when is_integer(Number) ->
    integer_to_binary(Number);
encode(Number) when is_float(Number) ->
    float_to_binary(Number, [{decimals, 1}]);
encode(Text) when is_binary(Text) ->
    [$", [escape(Character) || <<Character/utf8>> <= Text], $"];
encode({array, Values}) ->
    [$[, lists:join($,, [encode(Value) || Value <- Values]), $]];
encode(Pairs) when is_list(Pairs) ->
    [${, lists:join($,, [[encode(Name), $:, encode(Value)] || {Name, Value} <- Pairs]), $}].

escape($") -> <<"\\\"">>;
escape($\\) -> <<"\\\\">>;
escape(Character) when Character < 32 -> io_lib:format("\\u~4.16.0b", [Character]);
escape(Character) -> <<Character/utf8>>.
