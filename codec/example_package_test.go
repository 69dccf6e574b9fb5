package codec_test

import (
	"fmt"

	"github.com/weirstreams/weir/codec"
)

// A codec turns values into bytes and back. The context names the topic, for errors.
func Example() {
	type Trade struct {
		Symbol string `json:"symbol"`
		Cents  int    `json:"cents"`
	}
	trades, c := codec.JSON[Trade](), &codec.Context{Topic: "trades", Part: codec.Value}

	wire, err := trades.Append(nil, c, Trade{"ACME", 950})
	fmt.Println(string(wire), err)
	trade, err := trades.Decode(c, wire)
	fmt.Println(trade.Symbol, trade.Cents, err)
	// Output:
	// {"symbol":"ACME","cents":950} <nil>
	// ACME 950 <nil>
}
