package valuetest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
	"github.com/weirstreams/weir/window"
)

type stamped struct {
	Name   string
	Millis int64
}

func TestTheTimeOfARecordIsWhatItsTopicSays(t *testing.T) {
	events := stream.NewTopic("events", codec.String(), codec.JSON[stamped]()).
		WithTimestamps(func(r weir.Record[string, stamped]) time.Time {
			if r.Value.Millis < 0 {
				panic("no time")
			}
			if r.ValueNull {
				return r.Time().Add(time.Hour) // the time of the message is there to be used
			}
			return time.UnixMilli(r.Value.Millis)
		})
	counts := stream.NewTopic("counts", codec.String(), codec.JSON[window.Result[int64]]())
	topology := stream.NewTopology()
	s := topology.From(events)
	s.To(stream.NewTopic("copy", codec.String(), codec.JSON[stamped]()))
	s.Window(window.Tumbling(10 * time.Millisecond)).Aggregate(window.Count[stamped]()).Final().To(counts)
	d := testkit.New(t, topology, testkit.Config{Errors: weir.ErrorPolicy{Action: weir.Skip}})
	for i, millis := range []int64{1, 2, -1, 15} {
		d.Input(events).Send("k", stamped{Millis: millis}, at(1_000_000+int64(i)))
	}
	type result = testkit.Record[string, window.Result[int64]]
	d.Output(counts).Expect(result{Key: "k", Value: window.Result[int64]{StartMillis: 0, EndMillis: 10, Value: 2}, Time: at(0)})
	d.Input(events).SendRecords(testkit.Record[string, stamped]{Key: "n", ValueNull: true, Time: at(5)})
	copied := d.Output(stream.NewTopic("copy", codec.String(), codec.JSON[stamped]())).Read()
	var times []string
	for _, r := range copied {
		times = append(times, r.Time.Format("15:04:05.000"))
	}
	if got := strings.Join(times, " "); got != "00:00:00.001 00:00:00.002 00:00:00.015 01:00:00.005" {
		t.Errorf("times: %s", got)
	}
	if got := d.Tasks()[0].Skipped; got != 1 {
		t.Errorf("%d records skipped, want the one without a time", got)
	}
}
