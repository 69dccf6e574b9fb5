package typename_test

import (
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/typename"
)

type order struct{ ID int }

type pair[A, B any] struct {
	First  A
	Second B
}

// Names depend on types and codecs, and on neither the path of the module nor on how many types a function has.
func TestNames(t *testing.T) {
	type local struct{}
	for got, want := range map[string]string{
		typename.Of[int]():                                   "int",
		typename.Of[map[string]*order]():                     "map[string]*typename_test.order",
		typename.Of[pair[order, weir.Header]]():              "typename_test.pair[typename_test.order,weir.Header]",
		typename.Of[pair[local, int]]():                      "typename_test.pair[typename_test.local,int]",
		typename.Of[struct{ A int }]():                       "struct { A int }",
		typename.Codec[int](nil):                             "",
		typename.Codec(codec.JSON[order]()):                  "typename_test.order as codec.jsonCodec[typename_test.order]",
		typename.Codec(codec.Nullable(codec.JSON[order]())):  "*typename_test.order as codec.nullable[typename_test.order] of codec.jsonCodec[typename_test.order]",
		typename.Codec(codec.Nullable(codec.JSON[string]())): "*string as codec.nullable[string] of codec.jsonCodec[string]",
		typename.Codec(codec.Nullable(codec.String())):       "*string as codec.nullable[string] of codec.stringCodec",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
