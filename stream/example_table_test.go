package stream_test

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
	"github.com/weirstreams/weir/window"
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

// A user who moves is taken from one city and added to the other. A city without users has no row.
func ExampleTable_GroupBy() {
	t := stream.NewTopology()
	t.Table(users).
		Filter(func(_, city string) bool { return city != "" }).
		GroupBy("city", func(_, city string) string { return city }).
		Aggregate("per_city", window.Count[string]()).
		Map(func(city string, n int64) string { return fmt.Sprint(n, " in ", city) }).
		To(words)

	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		d.Input(users).Send("Ada", "London", time.Unix(0, 0))
		d.Input(users).Send("Alan", "London", time.Unix(1, 0))
		d.Input(users).Send("Ada", "Paris", time.Unix(2, 0))
		d.Input(users).Send("Ada", "", time.Unix(3, 0))
		for _, r := range d.Output(words).Read() {
			fmt.Printf("%s: %q %v\n", r.Key, r.Value, r.ValueNull)
		}
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// London: "1 in London" false
	// London: "2 in London" false
	// London: "1 in London" false
	// Paris: "1 in Paris" false
	// Paris: "" true
}

// wordsOf lists the words of a group, and can take one back.
var wordsOf = window.CustomSubtracting(
	func() map[string]int { return map[string]int{} },
	func(acc *map[string]int, word string) { (*acc)[word]++ },
	func(acc *map[string]int, word string) {
		if (*acc)[word]--; (*acc)[word] == 0 {
			delete(*acc, word)
		}
	},
	func(acc *map[string]int) string { return fmt.Sprint(slices.Sorted(maps.Keys(*acc))) },
)

// The words of each length, in alphabetical order, of a table that changes.
func ExampleGroupedTable_Aggregate() {
	t := stream.NewTopology()
	byLength := t.Table(users).GroupBy("length", func(_, word string) string { return fmt.Sprint(len(word)) })
	byLength.Aggregate("words", wordsOf).To(words)

	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		d.Input(users).Send("1", "tea", time.Unix(0, 0))
		d.Input(users).Send("2", "rum", time.Unix(1, 0))
		d.Input(users).Send("1", "gin", time.Unix(2, 0))
		for _, r := range d.Output(words).Read() {
			fmt.Println(r.Key, r.Value)
		}
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// 3 [tea]
	// 3 [rum tea]
	// 3 [gin rum]
}

// A row that is not accepted any more is deleted.
func ExampleTable_Filter() {
	t := stream.NewTopology()
	t.Table(cities).Filter(func(_, city string) bool { return len(city) > 4 }).To(words)

	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		d.Input(cities).Send("7", "London", time.Unix(0, 0))
		d.Input(cities).Send("7", "Rome", time.Unix(1, 0))
		d.Input(cities).Send("7", "Oslo", time.Unix(2, 0))
		for _, r := range d.Output(words).Read() {
			fmt.Printf("%s %q %v\n", r.Key, r.Value, r.ValueNull)
		}
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// 7 "London" false
	// 7 "" true
}

// Rows of a table that is made of another can be joined with records.
func ExampleTable_Map() {
	t := stream.NewTopology()
	greetings := t.Table(users).Map(func(id, name string) string { return "Dear " + name + " (" + id + ")" })
	t.From(pages).JoinTable(greetings, func(page, greeting string) string { return greeting + ": " + page }).To(words)

	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		d.Input(users).Send("7", "Ada", time.Unix(0, 0))
		d.Input(pages).Send("7", "/home", time.Unix(1, 0))
		fmt.Println(d.Output(words).Values())
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output: [Dear Ada (7): /home]
}

func ExampleTable_GroupByWith() {
	t := stream.NewTopology()
	to := stream.Repartition[string, string]{Name: "initial", Key: codec.String(), Partitions: 4}
	t.Table(users).GroupByWith(to, func(_, name string) string { return name[:1] }).
		Aggregate("initials", wordsOf).To(words)

	fmt.Println(t.Inventory().Streams[0].Stores[0].Changelog)
	// Output: changelog__GROUP--repartition.users.initial--initials
}
