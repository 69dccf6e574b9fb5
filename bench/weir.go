package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/window"
)

func topic[V any](name string, j *job) stream.Topic[string, V] {
	return stream.NewTopic(name, codec.String(), codec.JSON[V]()).
		WithPartitions(j.partitions).WithConfig(map[string]string{"retention.ms": "-1"})
}

// weirStateless is floorStateless on Weir.
func weirStateless(ctx context.Context, j *job) (measurement, error) {
	t := stream.NewTopology()
	t.From(topic[Flight](j.input, j)).
		Filter(func(f Flight) bool {
			j.watch.start()
			return isLate(f)
		}).
		Map(toLate).
		To(topic[Late](j.name, j))
	return runWeir(ctx, j, t, 1)
}

// weirWindowed is floorWindowed on Weir, with state that survives: in Pebble and in a changelog.
func weirWindowed(ctx context.Context, j *job) (measurement, error) {
	t := stream.NewTopology()
	t.From(topic[Flight](j.input, j)).
		Filter(func(f Flight) bool {
			j.watch.start()
			return isComplete(f)
		}).
		GroupBy("origin", func(f Flight) string { return f.Origin }).
		Window(window.Tumbling(windowSize)).
		Aggregate(delays()).
		Final().
		To(topic[Hour](j.name, j))
	return runWeir(ctx, j, t, 2)
}

// delays aggregates the flights of an airport and an hour.
func delays() window.Aggregator[Flight, Delays, Delays] {
	return window.Custom(
		func() Delays { return Delays{} },
		func(d *Delays, f Flight) { d.Add(f) },
		func(d *Delays) Delays { return *d },
	)
}

// runWeir runs a topology until each record of the input has been processed times times: once, and once more after a
// repartition topic. The time ends when Run has returned: everything is acknowledged, stored and committed then, and the
// member has left its group.
func runWeir(ctx context.Context, j *job, t *stream.Topology, times int64) (measurement, error) {
	client, err := sarama.NewClient(j.brokers, floorConfig())
	if err != nil {
		return measurement{}, fmt.Errorf("connect: %w", err)
	}
	f := floor{job: j, client: client}
	f.ends, err = f.topicEnds(j.input)
	if err := errors.Join(err, client.Close()); err != nil {
		return measurement{}, err
	}
	state, err := os.MkdirTemp("", "weir-bench-")
	if err != nil {
		return measurement{}, err
	}
	defer os.RemoveAll(state)
	app, err := runtime.New(t, runtime.Config{
		Connection: kafka.Connection{Brokers: j.brokers}, Group: j.name, State: runtime.StateConfig{Dir: state},
		Topics: runtime.TopicConfig{Create: true}, Workers: j.workers, MeterProvider: j.meter,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		return measurement{}, err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- app.Run(ctx) }()

	if j.viewed {
		defer openPage(ctx, app)()
	}
	answered := func() error { return nil }
	if j.queried {
		answered = ask(ctx, app)
	}
	want := times * f.records()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for processed(app.Status()) < want {
		select {
		case err := <-done:
			return measurement{}, errors.Join(errors.New("stopped before all records were processed"), err)
		case <-tick.C:
		}
	}
	failed := answered()
	stop()
	if err := errors.Join(<-done, failed); err != nil {
		return measurement{}, err
	}
	m := j.watch.stop()
	m.Records = f.records()
	return m, nil
}

func processed(s runtime.Status) (n int64) {
	for _, t := range s.Tasks {
		n += t.Processed
	}
	return n
}
