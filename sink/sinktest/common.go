package sinktest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/panics"
	"github.com/weirstreams/weir/sink"
)

// commonCases are the promises of all sinks.
func commonCases[K, V any]() []testCase[K, V] {
	return []testCase[K, V]{
		{"records of a checkpoint are visible", visible[K, V]},
		{"an empty checkpoint writes nothing", empty[K, V]},
		{"discarded records are not written", discarded[K, V]},
		{"a crash before the checkpoint loses nothing", crashBefore[K, V]},
		{"records with null keys", nullKeys[K, V]},
		{"records with null values", nullValues[K, V]},
		{"unicode and long texts", texts[K, V]},
		{"tasks write at once", tasks[K, V]},
		{"a context that has ended", cancelled[K, V]},
		{"a target that refuses a record", refused[K, V]},
		{"a target that pushes back", pushed[K, V]},
		{"a target that fails for a while", broken[K, V]},
		{"many records that are discarded", discardedEarly[K, V]},
		{"many records before the end of the task", closedEarly[K, V]},
		{"a target that refuses one of many records", refusedEarly[K, V]},
		{"a target that pushes back amid many records", pushedEarly[K, V]},
		{"a target that cannot be reached", unreachable[K, V]},
		{"secrets are not in errors", secrets[K, V]},
		{"many records", many[K, V]},
	}
}

func visible[K, V any](b *bench[K, V]) error {
	p, err := b.start()
	if err != nil {
		return err
	}
	if err := p.write(items(0, 3)...); err != nil {
		return err
	}
	if err := b.expect(items(0, 3)...); err != nil {
		return err
	}
	if err := p.write(items(3, 2)...); err != nil {
		return err
	}
	if err := p.close(); err != nil {
		return err
	}
	if p, err = b.start(); err != nil {
		return fmt.Errorf("after a stop: %w", err)
	}
	if err := p.write(items(5, 1)...); err != nil {
		return fmt.Errorf("after a stop: %w", err)
	}
	return b.expect(items(0, 6)...)
}

func empty[K, V any](b *bench[K, V]) error {
	p, err := b.start()
	if err != nil {
		return err
	}
	for range 2 {
		token, err := p.prepare(b.tb.Context())
		if err != nil {
			return err
		}
		if token != nil {
			return fmt.Errorf("a checkpoint without records has the token %q, and not nil", token)
		}
	}
	if err := b.expect(); err != nil {
		return err
	}
	if err := p.write(items(0, 1)...); err != nil {
		return err
	}
	if err := p.checkpoint(); err != nil {
		return err
	}
	return b.expect(items(0, 1)...)
}

func discarded[K, V any](b *bench[K, V]) error {
	p, err := b.start()
	if err != nil {
		return err
	}
	if err := p.add(items(0, 3)...); err != nil {
		return err
	}
	p.writer.Discard()
	if p.writer.Full() {
		return errors.New("the writer is full, although all of its records were discarded")
	}
	if err := p.write(items(3, 2)...); err != nil {
		return err
	}
	p.writer.Discard() // when everything is written
	return b.expect(items(3, 2)...)
}

func crashBefore[K, V any](b *bench[K, V]) error {
	p, err := b.start()
	if err != nil {
		return err
	}
	if err := p.add(items(0, 3)...); err != nil {
		return err
	}
	if p, err = b.start(); err != nil { // the first has crashed
		return err
	}
	if err := p.write(items(0, 4)...); err != nil {
		return err
	}
	return b.expectRepeated(items(0, 4)...)
}

func nullKeys[K, V any](b *bench[K, V]) error {
	return b.nulls(b.NoNullKeys, Item{NullKey: true, Value: "value of a null key"})
}

func nullValues[K, V any](b *bench[K, V]) error {
	return b.nulls(b.NoNullValues, Item{Key: "key of a null value", NullValue: true})
}

func (b *bench[K, V]) nulls(refused bool, null Item) error {
	p, err := b.start()
	if err != nil {
		return err
	}
	if !refused {
		if err := p.write(append(items(0, 2), null)...); err != nil {
			return err
		}
		return b.expect(append(items(0, 2), null)...)
	}
	if err := p.write(null); err == nil {
		return fmt.Errorf("%+v was taken, and the target says that it cannot take it", null)
	}
	p.writer.Discard()
	if err := p.write(items(0, 2)...); err != nil {
		return fmt.Errorf("after a refused record: %w", err)
	}
	return b.expect(items(0, 2)...)
}

func texts[K, V any](b *bench[K, V]) error {
	p, err := b.start()
	if err != nil {
		return err
	}
	var all []Item
	for i, text := range []string{
		"é ü ß", "漢字", "🚰👩‍👩‍👧", "e\u0301", "العربية", `"quoted" 'single' \ back \n`, "tab\tand\nlines\r\n", "a,b;c|d", "<&>", "$1 %s {{}}", "'; drop table x; --",
		strings.Repeat("long ", 2000), " space around ",
	} {
		all = append(all, Item{Key: fmt.Sprintf("key-%d %s", i, text[:min(len(text), 8)]), Value: fmt.Sprint(i, " ", text)})
	}
	for i := range all {
		all[i].Key = strings.ToValidUTF8(all[i].Key, "")
	}
	if err := p.write(all...); err != nil {
		return err
	}
	return b.expect(all...)
}

func tasks[K, V any](b *bench[K, V]) error {
	const count = 4
	processes := make([]*process[K, V], count)
	var want []Item
	for n := range processes {
		var err error
		if processes[n], err = b.startTask(taskOf(int32(n))); err != nil {
			return err
		}
		want = append(want, items(100*n, 30)...)
	}
	errs := make([]error, count)
	var wait sync.WaitGroup
	for n, p := range processes {
		wait.Go(func() {
			for i := range 3 {
				if errs[n] == nil {
					errs[n] = p.write(items(100*n+10*i, 10)...)
				}
			}
		})
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return b.expect(want...)
}

// cancelTime is how long a call may take with a context that has ended.
const cancelTime = 5 * time.Second

func cancelled[K, V any](b *bench[K, V]) error {
	p, err := b.start()
	if err != nil {
		return err
	}
	if err := p.add(items(0, 3)...); err != nil {
		return err
	}
	ended, cancel := context.WithCancel(b.tb.Context())
	cancel()
	began := time.Now()
	token, err := p.prepare(ended)
	if took := time.Since(began); took > cancelTime {
		return fmt.Errorf("a checkpoint with a context that has ended took %v", took)
	}
	if err == nil { // it was quick enough
		return errors.Join(p.commit(b.tb.Context(), token), b.expect(items(0, 3)...))
	}
	if errors.As(err, new(*weir.RetryLaterError)) || errors.As(err, new(sink.RecordErrors)) {
		return fmt.Errorf("a context that has ended is neither back-pressure nor an error of records: %w", err)
	}
	if !errors.Is(err, context.Canceled) {
		return fmt.Errorf("the error does not say by errors.Is that the context has ended: %w", err)
	}
	// The partitions are given up: their records are processed again by the next owner.
	if p, err = b.start(); err != nil {
		return err
	}
	if err := p.write(items(0, 3)...); err != nil {
		return err
	}
	return b.expectRepeated(items(0, 3)...)
}

func refused[K, V any](b *bench[K, V]) error {
	if b.Refused == nil {
		return missingField("Refused")
	}
	p, err := b.start()
	if err != nil {
		return err
	}
	if err := p.add(items(0, 2)...); err != nil {
		return err
	}
	at, err := p.addRefused()
	if err != nil {
		b.tb.Logf("refused by Add: %v", err)
		return errors.Join(p.write(items(2, 2)...), b.expect(items(0, 4)...))
	}
	if err := p.add(items(2, 2)...); err != nil {
		return err
	}
	_, err = p.prepare(b.tb.Context())
	poison, ok := errors.AsType[sink.RecordErrors](err)
	if !ok {
		return fmt.Errorf("a refused record makes no RecordErrors: %w", errors.Join(err, errors.New("(the result of the checkpoint)")))
	}
	if len(poison) != 1 || poison[0].Origin.Offset != at {
		return fmt.Errorf("the record at offset %d is refused, and RecordErrors has others: %w", at, poison)
	}
	if err := p.checkpoint(); err != nil { // without the record, which the policy has skipped
		return fmt.Errorf("after the refused record was skipped: %w", err)
	}
	return b.expect(items(0, 4)...)
}

func pushed[K, V any](b *bench[K, V]) error {
	if b.Push == nil {
		return missingField("Push")
	}
	p, err := b.start()
	if err != nil {
		return err
	}
	if err := p.write(items(0, 1)...); err != nil {
		return err
	}
	end := b.Push(b.tb, b.place)
	if err := p.add(items(1, 3)...); err != nil {
		end()
		return err
	}
	err = p.checkpoint()
	end()
	if !errors.As(err, new(*weir.RetryLaterError)) {
		return fmt.Errorf("the target asks for time, and that makes no weir.RetryLaterError: %w", errors.Join(err, errors.New("(the result of the checkpoint)")))
	}
	if err := p.checkpoint(); err != nil {
		return fmt.Errorf("when the target takes records again: %w", err)
	}
	return b.expectRepeated(items(0, 4)...)
}

func broken[K, V any](b *bench[K, V]) error {
	if b.Break == nil {
		return missingField("Break")
	}
	p, err := b.start()
	if err != nil {
		return err
	}
	if err := p.write(items(0, 1)...); err != nil {
		return err
	}
	end := b.Break(b.tb, b.place)
	err = p.add(items(1, 3)...)
	if err == nil {
		err = p.checkpoint()
	}
	end()
	if err == nil {
		return errors.New("the target has failed, and the checkpoint has not")
	}
	// The run has ended with the error. The next process commits the token, if there is one, or processes the records again.
	again := items(1, 3)
	if len(p.pending) > 0 {
		again = nil
	}
	if p, err = b.start(p.pending...); err != nil {
		return fmt.Errorf("after the target has come back: %w", err)
	}
	if err := p.write(again...); err != nil {
		return fmt.Errorf("after the target has come back: %w", err)
	}
	return b.expectRepeated(items(0, 4)...)
}

// unreachable lets a run go on without a connection, as sink.Callbacks.ConnectFailed can.
func unreachable[K, V any](b *bench[K, V]) error {
	if b.Unreachable == nil {
		return missingField("Unreachable")
	}
	p := &process[K, V]{bench: b, number: 1, task: taskOf(0)}
	p.to = sink.WithCallbacks(b.Unreachable(b.tb), sink.Callbacks[K]{ConnectFailed: func(error) error { return nil }})
	p.newEpoch()
	if err := p.to.Connect(b.tb.Context()); err != nil {
		return fmt.Errorf("connect, although ConnectFailed has returned nil: %w", err)
	}
	return panics.Call(func() error {
		err := p.open()
		if err == nil {
			err = p.write(items(0, 1)...)
		}
		if err == nil {
			return errors.New("a record was written to a target that cannot be reached")
		}
		if p.writer != nil {
			if err := p.closeWriter(); err != nil {
				return fmt.Errorf("close the writer of a sink that is not connected: %w", err)
			}
		}
		if err := p.to.Close(b.tb.Context()); err != nil {
			return fmt.Errorf("close a sink that is not connected: %w", err)
		}
		return nil
	})
}

func secrets[K, V any](b *bench[K, V]) error {
	if len(b.Secrets) == 0 {
		return missingField("Secrets")
	}
	to := b.New(b.tb, b.place)
	texts := []string{fmt.Sprintf("%v", to), fmt.Sprintf("%+v", to), fmt.Sprintf("%#v", to)}
	if b.Unreachable != nil {
		away := b.Unreachable(b.tb)
		ctx, cancel := context.WithTimeout(b.tb.Context(), time.Minute)
		defer cancel()
		err := away.Connect(ctx)
		if err == nil {
			return errors.New("a sink that is unreachable has connected")
		}
		texts = append(texts, err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err))
	}
	for _, text := range texts {
		for i, secret := range b.Secrets {
			if strings.Contains(text, secret) {
				return fmt.Errorf("secret %d is in a text: %s", i, strings.ReplaceAll(text, secret, "(the secret)"))
			}
		}
	}
	return nil
}

func many[K, V any](b *bench[K, V]) error {
	p, err := b.start()
	if err != nil {
		return err
	}
	all := items(0, b.Records)
	const step = 1000
	for left := all; len(left) > 0; {
		n := min(step, len(left))
		if err := p.add(left[:n]...); err != nil {
			return err
		}
		if left = left[n:]; p.writer.Full() {
			if err := p.checkpoint(); err != nil {
				return err
			}
		}
	}
	if err := p.checkpoint(); err != nil {
		return err
	}
	return b.expect(all...)
}
