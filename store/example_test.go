package store_test

import (
	"fmt"
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

// A cell that holds how often each page was seen.
func Example() {
	views := stream.NewTopic("views", codec.String(), codec.String())
	counts := stream.NewTopic("counts", codec.String(), codec.Int())
	seen := store.NewCell[int]("seen")

	t := stream.NewTopology()
	t.From(views).
		MapState(seen, func(c *store.Cell[int], _ string) int {
			n, _ := c.Get()
			c.Set(n + 1)
			return n + 1
		}).
		To(counts)

	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		for _, page := range []string{"home", "help", "home"} {
			d.Input(views).Send(page, "view", time.UnixMilli(0))
		}
		n, _ := d.Cell(seen, "home")
		fmt.Println("home:", n)
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output: home: 2
}

// A state that is stored in a form of its own.
func ExampleCellHandle_WithCodec() {
	type Visit struct{ Page, Browser string }
	last := store.NewCell[Visit]("last").WithCodec(codec.JSON[Visit]())

	fmt.Println(last.Name())
	// Output: last
}
