package stream_test

import (
	"context"
	"fmt"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

// foldPages adds pages to profiles.
func foldPages(s stream.Stream[string, string]) stream.Folded[string, string] {
	return stream.Fold(s, func(profile, page string) string { return profile + " " + page })
}

// A profile is made of two topics: the visited pages and the present city.
func ExampleCogroup() {
	t := stream.NewTopology()
	profiles := stream.Cogroup("profiles",
		foldPages(t.From(pages)),
		stream.FoldRecord(t.From(cities), func(_ context.Context, profile string, r weir.Record[string, string]) (string, error) {
			if r.Value == "" {
				return profile, fmt.Errorf("user %s has a city without a name", r.Key)
			}
			return profile + " in " + r.Value + ":", nil
		}))
	profiles.To(words)

	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		d.Input(pages).Send("7", "/home", time.Unix(0, 0))
		d.Input(cities).Send("7", "London", time.Unix(1, 0))
		d.Input(pages).Send("7", "/offers", time.Unix(2, 0))
		for _, r := range d.Output(words).Read() {
			fmt.Printf("%s%s\n", r.Key, r.Value)
		}
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// 7 /home
	// 7 /home in London:
	// 7 /home in London: /offers
}

// Each record lengthens the row of its key.
func ExampleFold() {
	t := stream.NewTopology()
	stream.Cogroup("visits", stream.Fold(t.From(pages), func(row, page string) string { return row + page })).To(words)

	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		d.Input(pages).Send("7", "/home", time.Unix(0, 0))
		d.Input(pages).Send("7", "/offers", time.Unix(1, 0))
		fmt.Println(d.Output(words).Values())
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output: [/home /home/offers]
}

// The function sees the whole record, and may refuse it.
func ExampleFoldRecord() {
	t := stream.NewTopology()
	stream.Cogroup("moves", stream.FoldRecord(t.From(cities), func(_ context.Context, row string, r weir.Record[string, string]) (string, error) {
		if r.Value == "" {
			return row, fmt.Errorf("user %s has a city without a name", r.Key)
		}
		return row + ">" + r.Value, nil
	})).To(words)

	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		d.Input(cities).Send("7", "London", time.Unix(0, 0))
		d.Input(cities).Send("7", "Paris", time.Unix(1, 0))
		fmt.Println(d.Output(words).Values())
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output: [>London >London>Paris]
}
