package testkit_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

// The topics of a test refuse what topics with the declared settings refuse, and the record that is to blame is named or skipped.
func TestTopicsRefuseWhatTheirSettingsDoNotTake(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name, setting, value, text string
		at                         time.Time
	}{
		{"a time", "message.timestamp.after.max.ms", "60000", "bad", start.Add(time.Hour)},
		{"a size", "max.message.bytes", "1000", "bad" + strings.Repeat("x", 2000), start},
	} {
		for _, exactlyOnce := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, exactly once %v", c.name, exactlyOnce), func(t *testing.T) {
				in := stream.NewTopic("in", codec.String(), codec.String())
				out := stream.NewTopic("out", codec.String(), codec.String()).WithConfig(map[string]string{c.setting: c.value})
				topology := func() *stream.Topology {
					topology := stream.NewTopology()
					topology.From(in).To(out)
					return topology
				}
				d := testkit.New(t, topology(), testkit.Config{Start: start, ExactlyOnce: exactlyOnce, Errors: weir.ErrorPolicy{Action: weir.Skip}})
				input, output := d.Input(in), d.Output(out)
				input.Send("k", "a", start)
				input.Send("k", c.text, c.at)
				input.Send("k", "b", start)
				d.Checkpoint()
				var got []string
				for _, r := range output.Read() {
					if len(got) == 0 || got[len(got)-1] != r.Value { // at least once
						got = append(got, r.Value)
					}
				}
				if strings.Join(got, " ") != "a b" {
					t.Errorf("got %q", got)
				}

				d = testkit.New(t, topology(), testkit.Config{Start: start, ExactlyOnce: exactlyOnce})
				err := d.Input(in).TrySendRecords(testkit.Record[string, string]{Key: "k", Value: c.text, Time: c.at})
				var refused *weir.ProduceError
				if !errors.As(err, &refused) || refused.Topic != "out" || !strings.Contains(err.Error(), "process in[0] at offset 0: sink out") {
					t.Errorf("got %v", err)
				}
			})
		}
	}
}
