package quixconfig_test

import (
	"context"
	"fmt"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/join/quixconfig"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/stream"
)

type (
	Reading struct{ Value float64 }
	Alarm   struct{ Value, Limit float64 }
)

// Readings above the limit that was configured for their device at their time.
func Example() {
	ctx := context.Background()
	readings := stream.NewTopic("readings", codec.String(), codec.JSON[Reading]())
	alarms := stream.NewTopic("alarms", codec.String(), codec.JSON[Alarm]())

	configurations, err := quixconfig.Open(ctx, quixconfig.Config{Brokers: []string{"localhost:9092"}, Topic: "configurations"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer configurations.Close()
	limits, err := configurations.Fields(quixconfig.JSON("max", "limits", "$.max").Default(100.0))
	if err != nil {
		fmt.Println(err)
		return
	}
	t := stream.NewTopology()
	t.From(readings).JoinLookupRecord(limits, func(r stream.Record[string, Reading]) quixconfig.Query {
		return quixconfig.Query{TargetKey: r.Key, Time: r.Time()}
	}, func(r stream.Record[string, Reading], limits row.Row) Alarm {
		limit, _ := limits.Get[float64]("max")
		return Alarm{r.Value.Value, limit}
	}).Filter(func(a Alarm) bool { return a.Value > a.Limit }).To(alarms)
}
