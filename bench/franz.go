package main

import (
	"context"
	"errors"
	"sync"

	"github.com/bytedance/sonic"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// franz has the common parts of the scenarios on franz-go. It is another client than Weir's, and the fastest in pure Go:
// a lower floor than Weir's own.
type franz struct {
	job    *job
	client *kgo.Client
	once   sync.Once
	failed error // the first record that could not be delivered; read it after a flush
}

// openFranz returns a client that reads a topic from the start. By default it is idempotent and asks for all replicas,
// as the other scenarios do.
func openFranz(j *job, topic string) (*franz, error) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(j.brokers...), kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
	)
	return &franz{job: j, client: client}, err
}

func (f *franz) createTopics(ctx context.Context, names ...string) error {
	responses, err := kadm.NewClient(f.client).CreateTopics(ctx, f.job.partitions, -1, keepForever, names...)
	if err == nil {
		err = responses.Error()
	}
	return err
}

// records returns how many records a topic has.
func (f *franz) records(ctx context.Context, topic string) (n int64, err error) {
	ends, err := kadm.NewClient(f.client).ListEndOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	ends.Each(func(o kadm.ListedOffset) { n += o.Offset })
	return n, err
}

// read calls process for every record until done says that there have been enough.
func (f *franz) read(ctx context.Context, done func(read int64) bool, process func(*kgo.Record) error) error {
	var failed error
	for read := int64(0); !done(read) && failed == nil; {
		fetches := f.client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			read++
			if failed == nil {
				failed = process(r)
			}
		})
	}
	return failed
}

// send encodes a value and hands it to the producer.
func (f *franz) send(ctx context.Context, record *kgo.Record, value any) error {
	encoded, err := sonic.Marshal(value)
	if err != nil {
		return err
	}
	record.Value = encoded
	f.client.Produce(ctx, record, f.delivered)
	return nil
}

func (f *franz) delivered(_ *kgo.Record, err error) {
	if err != nil {
		f.once.Do(func() { f.failed = err })
	}
}

// flush waits until everything is acknowledged.
func (f *franz) flush(ctx context.Context) error {
	if err := f.client.Flush(ctx); err != nil {
		return err
	}
	return f.failed
}

// franzStateless is floorStateless on franz-go.
func franzStateless(ctx context.Context, j *job) (measurement, error) {
	f, err := openFranz(j, j.input)
	if err != nil {
		return measurement{}, err
	}
	defer f.client.Close()
	n, err := f.records(ctx, j.input)
	if err := errors.Join(err, f.createTopics(ctx, j.name)); err != nil {
		return measurement{}, err
	}
	err = f.read(ctx, func(read int64) bool { return read >= n }, func(r *kgo.Record) error {
		j.watch.start()
		var flight Flight
		if err := sonic.Unmarshal(r.Value, &flight); err != nil {
			return err
		}
		if !isLate(flight) {
			return nil
		}
		return f.send(ctx, &kgo.Record{Topic: j.name, Key: r.Key, Timestamp: r.Timestamp}, toLate(flight))
	})
	if err == nil {
		err = f.flush(ctx)
	}
	if err != nil {
		return measurement{}, err
	}
	m := j.watch.stop()
	m.Records = n
	return m, nil
}

// franzWindowed is floorWindowed on franz-go, with one client for each side of the repartition topic.
func franzWindowed(ctx context.Context, j *job) (measurement, error) {
	repartition := j.name + "-repartition"
	f, err := openFranz(j, j.input)
	if err != nil {
		return measurement{}, err
	}
	defer f.client.Close()
	n, err := f.records(ctx, j.input)
	if err := errors.Join(err, f.createTopics(ctx, j.name, repartition)); err != nil {
		return measurement{}, err
	}
	second, err := openFranz(j, repartition)
	if err != nil {
		return measurement{}, err
	}
	defer second.client.Close()

	failed := make(chan error, 1)
	go func() {
		airports := map[string]*openHour{}
		err := second.read(ctx, func(read int64) bool { return read >= n }, func(r *kgo.Record) error {
			hour, closed, err := addToHour(airports, r.Key, r.Value, r.Timestamp)
			if err != nil || !closed {
				return err
			}
			return second.send(ctx, &kgo.Record{Topic: j.name, Key: r.Key, Timestamp: hour.Start()}, hour)
		})
		if err == nil {
			err = second.flush(ctx)
		}
		failed <- err
	}()
	err = f.read(ctx, func(read int64) bool { return read >= n }, func(r *kgo.Record) error {
		j.watch.start()
		var flight Flight
		if err := sonic.Unmarshal(r.Value, &flight); err != nil {
			return err
		}
		if !isComplete(flight) {
			return nil // there is none: the other side waits for all
		}
		return f.send(ctx, &kgo.Record{Topic: repartition, Key: []byte(flight.Origin), Timestamp: r.Timestamp}, flight)
	})
	if err == nil {
		err = f.flush(ctx)
	}
	if err != nil {
		return measurement{}, err
	}
	if err := <-failed; err != nil {
		return measurement{}, err
	}
	m := j.watch.stop()
	m.Records = n
	return m, nil
}
