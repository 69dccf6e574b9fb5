package join_test

import (
	"fmt"
	"time"

	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

// The package has definitions of joins; the methods of streams take them.
func Example() {
	t := stream.NewTopology()
	t.From(trades).
		JoinAsOf(t.From(quotes), join.AsOf{}.Grace(time.Hour), func(trade, quote string) string { return trade + " at " + quote }).
		To(out)

	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		d.Input(quotes).Send("ACME", "9.5", time.Unix(1, 0))
		d.Input(trades).Send("ACME", "200 shares", time.Unix(2, 0))
		fmt.Println(d.Output(out).Values())
	})
	fmt.Println(err)
	// Output:
	// [200 shares at 9.5]
	// <nil>
}
