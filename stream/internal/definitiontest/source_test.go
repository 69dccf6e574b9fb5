package definitiontest_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/stream"
)

var levels = topic("levels")

// gauges is a source without records.
func gauges() source.Source[string, string] {
	return source.FromSeq(func(func(weir.Record[string, string]) bool) {})
}

func TestMistakesOfSourcesAreFound(t *testing.T) {
	other := stream.SourceTopic[string, string]("other")
	for want, declare := range map[string]func(t *stream.Topology){
		"the source is nil": func(t *stream.Topology) { t.AddSource[string, string](nil, levels) },
		`topic "` + levels.Name() + `" is written by another source already, declared at definitiontest/source_test.go:`: func(t *stream.Topology) {
			t.AddSource(gauges(), levels)
			t.AddSourceWith(source.Options{Name: "second"}, gauges(), levels)
		},
		`sink levels: topic "levels" is written by a source, declared at definitiontest/source_test.go:`: func(t *stream.Topology) {
			t.AddSource(gauges(), levels)
			t.From(topic("other")).To(levels)
		},
		`sink source__other: topic "source__other" is written by a source, declared at definitiontest/source_test.go:`: func(t *stream.Topology) {
			t.From(levels).ToOneOf(func(context.Context, weir.Record[string, string]) (stream.Topic[string, string], error) {
				return other, nil
			}, other)
			t.AddSource(gauges(), other)
		},
		`another source has the name "one" already`: func(t *stream.Topology) {
			t.AddSourceWith(source.Options{Name: "one"}, gauges(), levels)
			t.AddSourceWith(source.Options{Name: "one"}, gauges(), other)
		},
		"this source is read already": func(t *stream.Topology) {
			same := &sharedSource{gauges()}
			t.AddSource[string, string](same, levels)
			t.AddSource[string, string](same, other)
		},
		"name of the source": func(t *stream.Topology) {
			t.AddSourceWith(source.Options{Name: "a/b"}, gauges(), levels)
		},
		"source.Options.Slots is -1": func(t *stream.Topology) {
			t.AddSourceWith(source.Options{Slots: -1}, gauges(), levels)
		},
		"the name of SourceTopic is empty": func(t *stream.Topology) {
			t.AddSource(gauges(), stream.SourceTopic[string, string](""))
		},
		"source.Options.Retry.MaxWait is -1s": func(t *stream.Topology) {
			t.AddSourceWith(source.Options{Retry: weir.Retry{MaxWait: -time.Second}}, gauges(), levels)
		},
		"AsyncOptions.Retry waits -1s": func(t *stream.Topology) {
			f := func(context.Context, string) (string, error) { return "", nil }
			t.From(levels).MapAsync(f, stream.AsyncOptions{Retry: weir.Retry{FirstWait: -time.Second}}).To(other)
		},
		"source.Options.RecordsPerSecond is -2": func(t *stream.Topology) {
			t.AddSourceWith(source.Options{RecordsPerSecond: -2}, gauges(), levels)
		},
	} {
		topology := stream.NewTopology()
		declare(topology)
		if err := topology.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		} else if !strings.Contains(err.Error(), "1 finding(s)") {
			t.Errorf("one mistake is several findings: %v", err)
		}
	}
	topology := stream.NewTopology()
	topology.AddSource(gauges(), levels)
	topology.FromSource(gauges(), other).Print(stream.PrintOptions{})
	if err := topology.Validate(); err != nil {
		t.Errorf("two sources without a mistake: %v", err)
	}
}

// sharedSource is a source that can be compared with others.
type sharedSource struct{ source.Source[string, string] }
