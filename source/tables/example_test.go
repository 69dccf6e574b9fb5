package tables_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/source/tables"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

type Reading struct {
	Sensor  string
	At      time.Time
	Celsius float64
}

func Example() {
	start := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	rows := []Reading{{"s1", start, 21.5}, {"s2", start.Add(time.Minute), 17}}

	readings := stream.NewTopic("readings", codec.String(), codec.JSON[Reading]())
	t := stream.NewTopology()
	t.FromSource(tables.New(slices.Values(rows), tables.Options[Reading, string, Reading]{
		Record: func(r Reading) (weir.Record[string, Reading], error) {
			return weir.Record[string, Reading]{Key: r.Sensor, Value: r, Millis: r.At.UnixMilli()}, nil
		},
	}), readings).Peek(func(r Reading) { fmt.Println(r.Sensor, r.Celsius) })

	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) { d.ReadSourcesToEnd() })
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// s1 21.5
	// s2 17
}

func ExampleColumns() {
	rows := []row.Row{
		row.New(row.F("session", "s1"), row.F("at", 1_700_000_000_000), row.F("metric", 1.5)),
		row.New(row.F("session", "s2"), row.F("at", 1_700_000_000_250), row.F("metric", 1.75)),
	}
	t := stream.NewTopology()
	metrics := tables.New(slices.Values(rows), tables.Options[row.Row, string, row.Row]{
		Record: tables.Columns{Key: "session", Time: "at"}.Record,
		Speed:  1, // with the original pace
	})
	t.FromSource(metrics, stream.NewTopic("metrics", codec.String(), row.JSON())).Peek(func(r row.Row) { fmt.Println(r) })

	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		d.ReadSourcesToEnd()
		d.Advance(250 * time.Millisecond) // the clock of a test stands
		d.ReadSourcesToEnd()
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// {"session":"s1","at":1700000000000,"metric":1.5}
	// {"session":"s2","at":1700000000250,"metric":1.75}
}
