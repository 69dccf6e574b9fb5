package globaltable

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/backoff"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/clock"
	"github.com/weirstreams/weir/internal/letter"
)

// Letters writes the dead letters of the global tables of a process. Before it writes one, it reads the letters of that partition that are
// there, because each start of each process meets the same records. Exactly once, the processes share a transactional id: the one that
// makes its producer last fences the others, and reads all that they have written. So of two processes that meet a record at the same time one
// has its transaction refused, and finds the letter of the other.
//
// One goroutine calls its methods.
type Letters struct {
	// Topic is the topic of dead letters, Group the consumer group.
	Topic string
	Group string
	// Spring adds the headers of Spring.
	Spring  bool
	Cluster broker.Cluster
	// NewProducer returns a producer that fences the former ones of all processes, if it is transactional.
	NewProducer   func() (broker.Producer, error)
	Transactional bool
	Clock         clock.Clock

	producer broker.Producer
	fetcher  broker.Fetcher
	// found are the records with letters, and read where the partitions were read to.
	found      map[place]bool
	read       map[int32]int64
	partitions int32
}

// place is where a record of a global table lies, as the headers of its letter say it.
type place struct{ topic, partition, offset string }

const (
	// writeTries is how often a letter is written that others keep from being committed, writeWait the wait in between.
	writeTries = 20
	// readPolls and readPoll bound the time in which nothing comes of the letters that are there.
	readPolls = 300
	readPoll  = 100 * time.Millisecond
)

var writeWait = backoff.Policy{Base: 50 * time.Millisecond, Max: 2 * time.Second, Jitter: 0.5}

// Write implements LetterWriter.
func (l *Letters) Write(ctx context.Context, r *broker.Record, failure *weir.ProcessingError, attempt int) error {
	written := letter.Sender{Group: l.Group, Task: "global table " + failure.Topic, Spring: l.Spring}.New(r, failure, attempt, l.Clock.Now())
	at := placeOf(written.Headers)
	var err error
	for try := 1; try <= writeTries; try++ {
		if err = l.write(ctx, at, written, failure.Partition); err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !errors.Is(err, weir.ErrFenced) && !errors.Is(err, broker.ErrAborted) && !errors.Is(err, weir.ErrUndecided) {
			return err
		}
		l.dropProducer()
		if err := writeWait.Sleep(ctx, try); err != nil {
			return context.Cause(ctx)
		}
	}
	return fmt.Errorf("after %d tries: %w", writeTries, err)
}

// write writes a letter, unless it is there.
func (l *Letters) write(ctx context.Context, at place, r broker.Record, origin int32) error {
	if l.producer == nil { // before the letters are read, so that nobody else writes any afterwards
		producer, err := l.NewProducer()
		if err != nil {
			return err
		}
		l.producer = producer
	}
	if l.partitions == 0 {
		infos, err := l.Cluster.Topics(ctx, l.Topic)
		if err != nil {
			return err
		}
		if l.partitions = infos[l.Topic].Partitions; l.partitions == 0 {
			return fmt.Errorf("topic %q: %w", l.Topic, weir.ErrUnknownTopic)
		}
	}
	tp := broker.TopicPartition{Topic: l.Topic, Partition: letter.PartitionOf(r.Key, origin, l.partitions)}
	if err := l.readLetters(ctx, tp); err != nil {
		return fmt.Errorf("read the letters of %s that are there: %w", tp, err)
	}
	if l.found[at] {
		return nil
	}
	if err := l.producer.Send(ctx, tp, []broker.Record{r}); err != nil {
		return err
	}
	var err error
	if l.Transactional {
		err = l.producer.Commit(ctx, broker.GroupMember{}, nil, nil)
	} else {
		err = l.producer.Flush(ctx)
	}
	if err == nil {
		l.found[at] = true
	}
	return err
}

// readLetters reads a partition of the topic of dead letters to its end.
func (l *Letters) readLetters(ctx context.Context, tp broker.TopicPartition) error {
	if l.found == nil {
		l.found, l.read = map[place]bool{}, map[int32]int64{}
	}
	ends, err := l.Cluster.Offsets(ctx, broker.End, tp)
	if err != nil {
		return err
	}
	earliest, err := l.Cluster.Offsets(ctx, broker.Earliest, tp)
	if err != nil {
		return err
	}
	position := max(l.read[tp.Partition], earliest[tp])
	if position >= ends[tp] {
		return nil
	}
	if l.fetcher == nil {
		if l.fetcher, err = l.Cluster.NewFetcher(broker.FetcherConfig{}); err != nil {
			return err
		}
	}
	l.fetcher.Start(tp, position)
	defer l.fetcher.Stop(tp)
	for quiet := 0; position < ends[tp]; {
		batch, err := l.fetcher.Poll(ctx, readPoll)
		switch {
		case err != nil:
			return err
		case batch == nil:
			if quiet++; quiet >= readPolls {
				return fmt.Errorf("nothing has come for %v", readPolls*readPoll)
			}
			continue
		}
		quiet = 0
		for i := range batch.Records {
			l.found[placeOf(batch.Records[i].Headers)] = true
		}
		position = batch.NextOffset
		batch.Release()
	}
	l.read[tp.Partition] = position
	return nil
}

// placeOf returns where the record of a letter lies, with the group and the table that it failed for.
func placeOf(headers []weir.Header) (at place) {
	group, task := "", ""
	for _, h := range headers {
		switch h.Key {
		case letter.Topic:
			at.topic = string(h.Value)
		case letter.Partition:
			at.partition = string(h.Value)
		case letter.Offset:
			at.offset = string(h.Value)
		case letter.Group:
			group = string(h.Value)
		case letter.Task:
			task = string(h.Value)
		}
	}
	at.topic = strconv.Quote(group) + strconv.Quote(task) + at.topic
	return at
}

func (l *Letters) dropProducer() {
	if l.producer != nil {
		_ = l.producer.Close() // it is of no more use
		l.producer = nil
	}
}

// Close closes the connections.
func (l *Letters) Close() error {
	var err error
	if l.producer != nil {
		err = l.producer.Close()
	}
	if l.fetcher != nil {
		err = errors.Join(err, l.fetcher.Close())
	}
	l.producer, l.fetcher = nil, nil
	return err
}
