package docs

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/stream"
)

// The snippets of debugging.md about running, producing and consuming, on a broker.
func TestDebuggingPageWorks(t *testing.T) {
	if err := debugging(t.Context(), kafkatest.Start(t).Brokers, t.TempDir()); err != nil {
		t.Fatal(err)
	}
}

func debugging(ctx context.Context, brokers []string, state string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	name := fmt.Sprintf("debugging-%d", time.Now().UnixNano())
	lines := stream.NewTopic(name+"-lines", codec.String(), codec.String())
	words := stream.NewTopic(name+"-words", codec.String(), codec.String())

	var kept stream.Collector[string, string]
	t := stream.NewTopology()
	t.From(lines).Collect(&kept).To(words)

	app, err := runtime.New(t, runtime.Config{
		Connection: kafka.Connection{Brokers: brokers}, Group: name,
		State: runtime.StateConfig{Dir: state}, Topics: runtime.TopicConfig{Create: true}, IgnoreSignals: true,
	})
	if err != nil {
		return err
	}
	producer, err := app.Producer(ctx, kafka.ProducerOptions{})
	if err != nil {
		return err
	}
	err = errors.Join(
		producer.Send(ctx, lines, weir.Record[string, string]{Key: "k", Value: "hello", Millis: time.Now().UnixMilli()}),
		producer.Flush(ctx),
		producer.Close(),
	)
	if err != nil {
		return err
	}
	err = app.RunUntil(ctx, runtime.Until{Outputs: 100, Idle: 5 * time.Second})
	fmt.Println(kept.Values(), kept.Records())
	if err == nil && kept.Len() != 1 {
		err = fmt.Errorf("%d records were collected", kept.Len())
	}
	return err
}
