package sinktest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/sink"
)

// process plays a process with one task.
type process[K, V any] struct {
	bench  *bench[K, V]
	number int
	to     sink.Sink[K, V]
	writer writer[K, V]
	// flush is nil for a sink in two phases, and phases for a plain one.
	flush  sink.Writer[K, V]
	phases sink.TwoPhaseWriter[K, V]
	task   sink.Task
	epoch  string
	// id is that of the last checkpoint, added how many records were added since, offset the next one of the input, from the
	// first that the next checkpoint covers.
	id           int64
	added        int
	from, offset int64
	// pending are the tokens in the state of the task that are not committed yet.
	pending [][]byte
}

// writer has the methods of both kinds of writers.
type writer[K, V any] interface {
	Add(ctx context.Context, r *weir.Record[K, V]) error
	Full() bool
	Discard()
	Close() error
}

// taskOf returns the task of a partition.
func taskOf(partition int32) sink.Task {
	return sink.Task{
		Application: "sinktest", SubTopology: "input", Sink: "target", Partition: partition,
		Logger: slog.New(slog.DiscardHandler), Now: time.Now,
	}
}

// start starts a process that owns partition 0, with the tokens of its state.
func (b *bench[K, V]) start(tokens ...[]byte) (*process[K, V], error) {
	return b.startTask(taskOf(0), tokens...)
}

// startTask starts a process that owns a task.
func (b *bench[K, V]) startTask(task sink.Task, tokens ...[]byte) (*process[K, V], error) {
	p, err := b.connect(task)
	if err != nil {
		return nil, err
	}
	return p, p.open(tokens...)
}

// connect starts a process that owns a task and has not begun with it.
func (b *bench[K, V]) connect(task sink.Task) (*process[K, V], error) {
	b.processes++
	p := &process[K, V]{bench: b, number: b.processes, to: b.New(b.tb, b.place), task: task}
	p.newEpoch()
	ctx := b.tb.Context()
	if err := p.to.Connect(ctx); err != nil {
		return nil, fmt.Errorf("process %d: connect: %w", p.number, err)
	}
	// A crash ends nothing in order. The writer and the sink are closed at the end of the test.
	b.tb.Cleanup(func() {
		if p.writer != nil {
			_ = p.writer.Close()
		}
		if p.to != nil {
			_ = p.to.Close(context.WithoutCancel(ctx))
		}
	})
	return p, nil
}

// newEpoch makes the process a new owner of the task.
func (p *process[K, V]) newEpoch() {
	p.added = 0
	p.bench.epochs++
	p.epoch, p.id = fmt.Sprintf("%032x", 0xff+p.bench.epochs), 0
}

// open opens the writer of the task.
func (p *process[K, V]) open(tokens ...[]byte) (err error) {
	ctx := p.bench.tb.Context()
	two, ok := p.to.(sink.TwoPhase[K, V])
	if !ok {
		if p.flush, err = p.to.Writer(ctx, p.task); err != nil {
			return fmt.Errorf("process %d: open a writer: %w", p.number, err)
		}
		p.writer = p.flush
		return nil
	}
	if p.phases, err = two.TwoPhaseWriter(ctx, p.task); err != nil {
		return fmt.Errorf("process %d: open a writer: %w", p.number, err)
	}
	p.writer, p.pending = p.phases, tokens
	if err := p.phases.Recover(ctx, p.epoch, tokens); err != nil {
		return fmt.Errorf("process %d: recover: %w", p.number, err)
	}
	return nil
}

// close ends a process in order.
func (p *process[K, V]) close() error {
	to := p.to
	p.to = nil
	err := errors.Join(p.closeWriter(), to.Close(p.bench.tb.Context()))
	if err != nil {
		return fmt.Errorf("process %d: close: %w", p.number, err)
	}
	return nil
}

func (p *process[K, V]) closeWriter() error {
	w := p.writer
	p.writer = nil
	return w.Close()
}

// add adds items. The memory of the records is used again, as the runtime does.
func (p *process[K, V]) add(all ...Item) error {
	origin := weir.Origin{Topic: "input", Partition: p.task.Partition}
	header := []byte("header")
	r := weir.Record[K, V]{Origin: &origin, Headers: []weir.Header{{Key: "h", Value: header}}}
	for _, i := range all {
		r.Key, r.Value = p.bench.Record(i)
		if err := p.addRecord(&r, i); err != nil {
			return fmt.Errorf("process %d: add %+v: %w", p.number, i, err)
		}
	}
	clear(header)
	return nil
}

func (p *process[K, V]) addRecord(r *weir.Record[K, V], i Item) error {
	at := p.bench.offsetOf(p.task.Partition, i)
	r.Origin.Offset, r.Millis = at, 1767225600000+at
	if p.added == 0 {
		p.from = at
	}
	p.added++
	p.offset = at + 1
	return p.writer.Add(p.bench.tb.Context(), r)
}

// addRefused adds the record that the target refuses, and returns its offset, and the error of Add.
func (p *process[K, V]) addRefused() (at int64, err error) {
	r := weir.Record[K, V]{Origin: &weir.Origin{Topic: "input", Partition: p.task.Partition}}
	r.Key, r.Value = p.bench.Refused()
	err = p.addRecord(&r, Item{Key: "refused"})
	return r.Origin.Offset, err
}

// next returns the next checkpoint.
func (p *process[K, V]) next() sink.Checkpoint {
	p.id++
	return sink.Checkpoint{ID: p.id, Epoch: p.epoch, Positions: []sink.Position{
		{Topic: "input", Partition: p.task.Partition, From: p.from, To: p.offset},
	}}
}

// prepare prepares a checkpoint, or flushes a plain sink.
func (p *process[K, V]) prepare(ctx context.Context) (token []byte, err error) {
	c := p.next()
	if p.flush != nil {
		err = p.flush.Flush(ctx, c)
	} else {
		token, err = p.phases.Prepare(ctx, c)
	}
	if err != nil {
		return nil, fmt.Errorf("process %d: checkpoint %d: %w", p.number, c.ID, err)
	}
	p.from, p.added = p.offset, 0
	return token, nil
}

// commit commits a token. A plain sink has none.
func (p *process[K, V]) commit(ctx context.Context, token []byte) error {
	if token == nil {
		return nil
	}
	if err := p.phases.Commit(ctx, token); err != nil {
		return fmt.Errorf("process %d: commit %q: %w", p.number, token, err)
	}
	return nil
}

// write adds items and makes a whole checkpoint of them.
func (p *process[K, V]) write(all ...Item) error {
	if err := p.add(all...); err != nil {
		return err
	}
	return p.checkpoint()
}

// prepared adds items and prepares them.
func (p *process[K, V]) prepared(all ...Item) (token []byte, err error) {
	if err := p.add(all...); err != nil {
		return nil, err
	}
	if token, err = p.prepare(p.bench.tb.Context()); err == nil && p.phases != nil && len(token) == 0 && len(all) > 0 {
		err = fmt.Errorf("process %d: no token was returned for %d records", p.number, len(all))
	}
	return token, err
}

// checkpoint makes a whole checkpoint, after the commits of those before.
func (p *process[K, V]) checkpoint() error {
	if err := p.commitPending(); err != nil {
		return err
	}
	token, err := p.prepare(p.bench.tb.Context())
	if err != nil {
		return err
	}
	if token != nil {
		p.pending = append(p.pending, token)
	}
	return p.commitPending()
}

// commitPending commits the tokens in the state of the task, in order, until one fails.
func (p *process[K, V]) commitPending() error {
	for len(p.pending) > 0 {
		if err := p.commit(p.bench.tb.Context(), p.pending[0]); err != nil {
			return err
		}
		p.pending = p.pending[1:]
	}
	return nil
}
