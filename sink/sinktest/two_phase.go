package sinktest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// twoPhaseCases are the promises of sinks that are a [sink.TwoPhase].
func twoPhaseCases[K, V any]() []testCase[K, V] {
	return []testCase[K, V]{
		{"prepared records are invisible", invisible[K, V]},
		{"a crash after the preparation takes the records back", crashAfterPrepare[K, V]},
		{"a crash before the commit is made good", crashBeforeCommit[K, V]},
		{"a crash after the commit repeats nothing", crashAfterCommit[K, V]},
		{"a token is committed twice", twice[K, V]},
		{"two processes commit a token at once", atOnce[K, V]},
		{"tokens that wait are committed in order", several[K, V]},
		{"a checkpoint that failed is prepared again by the same process", again[K, V]},
		{"a former owner leaves the work of its successor alone", zombie[K, V]},
		{"a task leaves the work of others alone", others[K, V]},
		{"a commit with a context that has ended is repeated", cancelledCommit[K, V]},
		{"discarded records are in no later token", discardedAfterPrepare[K, V]},
		{"work of checkpoints that never were is removed", leftovers[K, V]},
	}
}

func invisible[K, V any](b *bench[K, V]) error {
	p, err := b.start()
	if err != nil {
		return err
	}
	token, err := p.prepared(items(0, 3)...)
	if err != nil {
		return err
	}
	if err := b.expect(); err != nil {
		return fmt.Errorf("before the commit: %w", err)
	}
	if err := p.add(items(3, 2)...); err != nil { // which belong to the next checkpoint
		return err
	}
	if err := p.commit(b.tb.Context(), token); err != nil {
		return err
	}
	if err := b.expect(items(0, 3)...); err != nil {
		return fmt.Errorf("after the commit: %w", err)
	}
	if err := p.checkpoint(); err != nil {
		return err
	}
	return b.expect(items(0, 5)...)
}

func crashAfterPrepare[K, V any](b *bench[K, V]) error {
	p, err := b.start()
	if err != nil {
		return err
	}
	if err := p.write(items(0, 2)...); err != nil {
		return err
	}
	if _, err := p.prepared(items(2, 2)...); err != nil {
		return err
	}
	if p, err = b.start(); err != nil { // and the token was never part of a checkpoint
		return err
	}
	if err := b.expect(items(0, 2)...); err != nil {
		return fmt.Errorf("after the restart: %w", err)
	}
	// The functions of the topology are not deterministic: other records come of the same input.
	if err := p.write(items(20, 3)...); err != nil {
		return err
	}
	return b.expect(append(items(0, 2), items(20, 3)...)...)
}

func crashBeforeCommit[K, V any](b *bench[K, V]) error {
	p, err := b.start()
	if err != nil {
		return err
	}
	token, err := p.prepared(items(0, 3)...)
	if err != nil {
		return err
	}
	for range 2 { // the second process crashes before the commit as well
		if p, err = b.start(token); err != nil {
			return err
		}
	}
	if err := p.commit(b.tb.Context(), token); err != nil {
		return err
	}
	if err := b.expect(items(0, 3)...); err != nil {
		return err
	}
	if err := p.write(items(3, 1)...); err != nil {
		return err
	}
	return b.expect(items(0, 4)...)
}

func crashAfterCommit[K, V any](b *bench[K, V]) error {
	p, err := b.start()
	if err != nil {
		return err
	}
	token, err := p.prepared(items(0, 3)...)
	if err == nil {
		err = p.commit(b.tb.Context(), token)
	}
	if err != nil {
		return err
	}
	if p, err = b.start(token); err != nil { // which is still in the state of the task
		return err
	}
	if err := p.commit(b.tb.Context(), token); err != nil {
		return err
	}
	if err := p.write(items(3, 1)...); err != nil {
		return err
	}
	return b.expect(items(0, 4)...)
}

func twice[K, V any](b *bench[K, V]) error {
	p, err := b.start()
	if err != nil {
		return err
	}
	token, err := p.prepared(items(0, 3)...)
	if err != nil {
		return err
	}
	for range 3 {
		if err := p.commit(b.tb.Context(), slices.Clone(token)); err != nil {
			return err
		}
	}
	return b.expect(items(0, 3)...)
}

func atOnce[K, V any](b *bench[K, V]) error {
	first, err := b.start()
	if err != nil {
		return err
	}
	token, err := first.prepared(items(0, 50)...)
	if err != nil {
		return err
	}
	second, err := b.start(token)
	if err != nil {
		return err
	}
	errs := make([]error, 2)
	var wait sync.WaitGroup
	for i, p := range []*process[K, V]{first, second} {
		wait.Go(func() { errs[i] = p.commit(b.tb.Context(), slices.Clone(token)) })
	}
	wait.Wait()
	// One of them may fail in a way that a repetition mends: the token stays in the state until then.
	for i, p := range []*process[K, V]{first, second} {
		if errs[i] != nil {
			b.tb.Logf("the commit is repeated: %v", errs[i])
			if err := p.commit(b.tb.Context(), token); err != nil {
				return err
			}
		}
	}
	return b.expect(items(0, 50)...)
}

func several[K, V any](b *bench[K, V]) error {
	p, err := b.start()
	if err != nil {
		return err
	}
	var tokens [][]byte
	for i := range 3 {
		token, err := p.prepared(items(10*i, 2)...)
		if err != nil {
			return err
		}
		tokens = append(tokens, token)
	}
	if p, err = b.start(tokens[:2]...); err != nil { // the third is not in the state
		return err
	}
	for i, token := range tokens[:2] {
		if err := p.commit(b.tb.Context(), token); err != nil {
			return err
		}
		if i == 0 {
			if err := b.expect(items(0, 2)...); err != nil {
				return fmt.Errorf("after the first of two commits: %w", err)
			}
		}
	}
	return b.expect(append(items(0, 2), items(10, 2)...)...)
}

func again[K, V any](b *bench[K, V]) error {
	p, err := b.start()
	if err != nil {
		return err
	}
	if err := p.write(items(0, 1)...); err != nil {
		return err
	}
	if _, err := p.prepared(items(1, 2)...); err != nil {
		return err
	}
	// The transaction is aborted. The runtime opens the task anew, with a greater epoch, and reads the input again.
	p.writer.Discard()
	if err := p.closeWriter(); err != nil {
		return err
	}
	p.newEpoch()
	if err := p.open(); err != nil {
		return err
	}
	if err := p.write(items(1, 2)...); err != nil {
		return err
	}
	return b.expect(items(0, 3)...)
}

func zombie[K, V any](b *bench[K, V]) error {
	first, err := b.connect(taskOf(0))
	if err != nil {
		return err
	}
	next, err := b.start()
	if err != nil {
		return err
	}
	token, err := next.prepared(items(0, 3)...)
	if err != nil {
		return err
	}
	// The former owner wakes up where it was about to begin, and goes on until its checkpoint is refused.
	if err := first.open(); err != nil {
		return fmt.Errorf("the former owner: %w", err)
	}
	if _, err := first.prepared(items(100, 3)...); err != nil {
		return fmt.Errorf("the former owner: %w", err)
	}
	first.writer.Discard()
	if err := first.closeWriter(); err != nil {
		return err
	}
	if err := next.commit(b.tb.Context(), token); err != nil {
		return err
	}
	if err := next.write(items(3, 1)...); err != nil {
		return err
	}
	return b.expect(items(0, 4)...)
}

func others[K, V any](b *bench[K, V]) error {
	neighbours := []func() (application, part, place string, partition int32){
		func() (string, string, string, int32) { return "sinktest", "input", "target", 1 },
		func() (string, string, string, int32) { return "sinktest", "input", "target", 11 },
		func() (string, string, string, int32) { return "sinktest", "input", "target2", 0 },
		func() (string, string, string, int32) { return "sinktest", "input2", "target", 0 },
		func() (string, string, string, int32) { return "sinktest2", "input", "target", 0 },
	}
	var tokens [][]byte
	var processes []*process[K, V]
	var want []Item
	for i, of := range neighbours {
		task := taskOf(0)
		task.Application, task.SubTopology, task.Sink, task.Partition = of()
		p, err := b.startTask(task)
		if err != nil {
			return err
		}
		token, err := p.prepared(items(10*i, 2)...)
		if err != nil {
			return err
		}
		tokens, processes, want = append(tokens, token), append(processes, p), append(want, items(10*i, 2)...)
	}
	p, err := b.start()
	if err != nil {
		return err
	}
	if err := p.write(items(1000, 1)...); err != nil {
		return err
	}
	for i, p := range processes {
		if err := p.commit(b.tb.Context(), tokens[i]); err != nil {
			return fmt.Errorf("task %+v: %w", p.task, err)
		}
	}
	return b.expect(append(want, items(1000, 1)...)...)
}

func cancelledCommit[K, V any](b *bench[K, V]) error {
	p, err := b.start()
	if err != nil {
		return err
	}
	token, err := p.prepared(items(0, 50)...)
	if err != nil {
		return err
	}
	ended, cancel := context.WithCancel(b.tb.Context())
	cancel()
	if err := p.commit(ended, token); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("the error does not say by errors.Is that the context has ended: %w", err)
	}
	if p, err = b.start(token); err != nil {
		return err
	}
	if err := p.commit(b.tb.Context(), token); err != nil {
		return err
	}
	return b.expect(items(0, 50)...)
}

func discardedAfterPrepare[K, V any](b *bench[K, V]) error {
	p, err := b.start()
	if err != nil {
		return err
	}
	token, err := p.prepared(items(0, 2)...)
	if err != nil {
		return err
	}
	if err := p.add(items(10, 2)...); err != nil {
		return err
	}
	p.writer.Discard() // which has nothing to do with the prepared checkpoint, which is committed
	if err := p.commit(b.tb.Context(), token); err != nil {
		return err
	}
	if err := p.write(items(2, 2)...); err != nil {
		return err
	}
	return b.expect(items(0, 4)...)
}

func leftovers[K, V any](b *bench[K, V]) error {
	if b.Leftovers == nil {
		return missingField("Leftovers")
	}
	p, err := b.start()
	if err != nil {
		return err
	}
	token, err := p.prepared(items(0, 2)...)
	if err != nil {
		return err
	}
	for i := range 3 {
		if _, err := p.prepared(items(10*(i+1), 2)...); err != nil {
			return err
		}
	}
	if n := b.Leftovers(b.tb, b.place); n == 0 {
		return errors.New("four checkpoints are prepared, and Leftovers finds no work of them")
	}
	if p, err = b.start(token); err != nil {
		return err
	}
	if err := p.commit(b.tb.Context(), token); err != nil {
		return err
	}
	if n := b.Leftovers(b.tb, b.place); n != 0 {
		return fmt.Errorf("%d pieces of work are left of checkpoints that never were", n)
	}
	return b.expect(items(0, 2)...)
}
