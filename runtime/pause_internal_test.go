package runtime

import (
	"testing"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/stream"
)

// An App in which something is paused is at work for RunUntil, so that Until.Idle does not pass, however long the pause lasts.
func TestAPausedAppIsNotIdle(t *testing.T) {
	t.Parallel()
	topology := stream.NewTopology()
	topology.From(stream.NewTopic("in", codec.String(), codec.String())).To(stream.NewTopic("out", codec.String(), codec.String()))
	a, err := New(topology, Config{Connection: kafka.Connection{Brokers: []string{"localhost:9092"}}, Group: "g"})
	if err != nil {
		t.Fatal(err)
	}
	idle := a.activity()
	if err := a.Pause(t.Context(), Scope{Topic: "in"}, ""); err != nil {
		t.Fatal(err)
	}
	paused := a.activity()
	if err := a.Resume(Scope{}); err != nil {
		t.Fatal(err)
	}
	if idle.busy || !paused.busy || a.activity() != idle {
		t.Errorf("idle %+v, paused %+v, resumed %+v", idle, paused, a.activity())
	}
}
