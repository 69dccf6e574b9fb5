package runtime_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/stream"
)

// service is a sink that notes the life of its connection.
type service struct {
	sink.List[string, string]
	connect error
	life    []string
}

func (s *service) Connect(context.Context) error {
	s.life = append(s.life, "connect")
	return s.connect
}

func (s *service) Close(context.Context) error {
	s.life = append(s.life, "close")
	return nil
}

func sinkTopology(topic string, s sink.Sink[string, string]) *stream.Topology {
	t := stream.NewTopology()
	t.From(stream.NewTopic(topic, codec.String(), codec.String())).Sink("service", s)
	return t
}

func TestASinkIsConnectedBeforeTheFirstRecordAndClosedAfterTheLast(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	s := &service{}
	in := k.Topic(t, "in", 1)
	k.write(in, 0, numbers(0, 100)...)
	r := run(t, sinkTopology(in, s), k.config())
	r.awaitProcessed(100)
	r.stop()
	if got := s.Records(); len(got) != 100 || got[99].Value != "99" {
		t.Errorf("%d records were written, of 100", len(got))
	}
	if want := []string{"connect", "close"}; !slices.Equal(s.life, want) {
		t.Errorf("the sink saw %v", s.life)
	}
	if got := k.committed(in, 0); got != 100 {
		t.Errorf("%d is committed", got)
	}
}

func TestASinkThatCannotBeConnectedEndsTheRun(t *testing.T) {
	kafkatest.Parallel(t)
	k := newKafka(t)
	s := &service{connect: errors.New("no route to host")}
	in := k.Topic(t, "in", 1)
	k.write(in, 0, numbers(0, 1)...)
	err := run(t, sinkTopology(in, s), k.config()).failure()
	if err == nil || !errors.Is(err, s.connect) || !strings.Contains(err.Error(), `sink "service" (runtime/sink_test.go:`) {
		t.Errorf("got %v", err)
	}
	if want := []string{"connect"}; !slices.Equal(s.life, want) {
		t.Errorf("the sink saw %v", s.life)
	}
}
