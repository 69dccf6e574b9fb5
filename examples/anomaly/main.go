// Command anomaly watches the temperatures of machines: the mean over five seconds, every second, and an alert when it is
// too high, once per machine until it has cooled down.
//
//	go run ./examples/anomaly
package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/examples/internal/local"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/window"
)

// Alert says that a machine is too hot.
type Alert struct {
	From time.Time `json:"from"`
	Mean float64   `json:"mean"`
}

var (
	temperatures = stream.NewTopic("temperatures", codec.String(), codec.Float64())
	alerts       = stream.NewTopic("alerts", codec.String(), codec.JSON[Alert]())

	// hot is set while a machine is too hot.
	hot = store.NewCell[bool]("hot")
)

// limit is the mean temperature, in degrees, above which something is wrong.
const limit = 90

// topology declares when there is an alert. The key is the machine.
func topology(kept *stream.Collector[string, Alert]) *stream.Topology {
	type mean = window.Result[float64]
	// judgement is a mean, and whether it is news.
	type judgement struct {
		mean
		alert bool
	}
	t := stream.NewTopology()
	t.From(temperatures).
		Window(window.Hopping(5*time.Second, time.Second)).
		Aggregate(window.Mean(func(v float64) float64 { return v })).
		Final().
		MapState(hot, func(c *store.Cell[bool], m mean) judgement {
			before, _ := c.Get()
			now := m.Value > limit
			c.Set(now)
			return judgement{m, now && !before}
		}).
		Filter(func(j judgement) bool { return j.alert }).
		Map(func(j judgement) Alert { return Alert{j.Start().UTC(), j.Value} }).
		Collect(kept).
		To(alerts)
	return t
}

// measured returns a minute of temperatures: press runs hot from second 20 to 30, oven only for a moment.
func measured(start time.Time) []weir.Record[string, float64] {
	var records []weir.Record[string, float64]
	for second := range 60 {
		press, oven := 70.0, 80.0
		if second >= 20 && second < 30 {
			press = 120
		}
		if second == 40 {
			oven = 110
		}
		at := start.Add(time.Duration(second) * time.Second).UnixMilli()
		records = append(records,
			weir.Record[string, float64]{Key: "press", Value: press, Millis: at},
			weir.Record[string, float64]{Key: "oven", Value: oven, Millis: at})
	}
	return records
}

func program(ctx context.Context, out io.Writer, config runtime.Config) error {
	var kept stream.Collector[string, Alert]
	app, err := runtime.New(topology(&kept), config)
	if err != nil {
		return err
	}
	start := time.Now().Truncate(time.Minute).Add(-time.Minute)
	if err := local.Feed(ctx, app, temperatures, measured(start)...); err != nil {
		return err
	}
	if err := app.RunUntil(ctx, runtime.Until{Idle: time.Second}); err != nil {
		return err
	}
	for _, r := range kept.Records() {
		fmt.Fprintf(out, "%s is too hot: %.0f degrees on average, from second %.0f on\n", r.Key, r.Value.Mean, r.Value.From.Sub(start).Seconds())
	}
	return nil
}

func main() { local.Main("anomaly", program) }
