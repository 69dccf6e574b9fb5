package stream_test

import (
	"fmt"
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

var (
	users  = stream.NewTopic("users", codec.String(), codec.String())
	cities = stream.NewTopic("cities", codec.String(), codec.String())
	pages  = stream.NewTopic("pages", codec.String(), codec.String())
)

func ExampleStream_JoinTable() {
	t := stream.NewTopology()
	t.From(pages).JoinTable(t.Table(users), func(page, user string) string { return user + " opens " + page }).To(words)

	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		d.Input(pages).Send("7", "/early", time.Unix(0, 0))
		d.Input(users).Send("7", "Ada", time.Unix(1, 0))
		d.Input(pages).Send("7", "/home", time.Unix(2, 0))
		for _, r := range d.Output(words).Read() {
			fmt.Println(r.Key, r.Value)
		}
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// 7 Ada opens /home
}

// When a row goes, so do those that were made of it.
func ExampleTable_LeftJoin() {
	t := stream.NewTopology()
	t.Table(users).LeftJoin(t.Table(cities), func(user string, city *string) string {
		if city == nil {
			return user
		}
		return user + " in " + *city
	}).To(words)

	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		d.Input(users).Send("7", "Ada", time.Unix(0, 0))
		d.Input(cities).Send("7", "London", time.Unix(1, 0))
		d.Input(cities).SendRecords(testkit.Record[string, string]{Key: "7", ValueNull: true, Time: time.Unix(2, 0)})
		d.Input(users).SendRecords(testkit.Record[string, string]{Key: "7", ValueNull: true, Time: time.Unix(3, 0)})
		for _, r := range d.Output(words).Read() {
			fmt.Printf("%s %q %v\n", r.Key, r.Value, r.ValueNull)
		}
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// 7 "Ada" false
	// 7 "Ada in London" false
	// 7 "Ada" false
	// 7 "" true
}
