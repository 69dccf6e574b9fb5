package stream_test

import (
	"fmt"
	"time"

	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

// A page that was opened before a user took another name is joined with the former name, though the record of the page comes later.
func ExampleVersionedTableOf() {
	names := store.NewVersioned[string]("names", 24*time.Hour)
	t := stream.NewTopology()
	t.From(pages).JoinTable(stream.VersionedTableOf(t.From(users), names), func(page, user string) string { return user + " opens " + page }).To(words)

	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		d.Input(users).Send("7", "Augusta", time.Unix(0, 0))
		d.Input(users).Send("7", "Ada", time.Unix(10, 0))
		d.Input(pages).Send("7", "/late", time.Unix(9, 0))
		d.Input(pages).Send("7", "/home", time.Unix(11, 0))
		for _, r := range d.Output(words).Read() {
			fmt.Println(r.Value)
		}
		fmt.Println(d.AsOf(names, "7", time.Unix(5, 0)))
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// Augusta opens /late
	// Ada opens /home
	// Augusta true
}
