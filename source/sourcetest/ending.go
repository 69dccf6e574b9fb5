package sourcetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/source"
)

// ends waits for a call that should return soon.
func ends(what string, call func() error) error {
	done := make(chan error, 1)
	go func() { done <- call() }()
	select {
	case err := <-done:
		return err
	case <-time.After(patience):
		return fmt.Errorf("%s has not returned within %v", what, patience)
	}
}

// withReader opens the first split of a filled place.
func (b *bench[K, V]) withReader(want []Item, use func(p *process[K, V], r source.Reader[K, V]) error) error {
	b.Fill(b.tb, b.place, want) // one split of several is read: nothing counts as missing
	p, err := b.start()
	if err != nil {
		return err
	}
	found, err := p.splits()
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return errors.New("the source has no splits")
	}
	r, err := p.open(found[0], nil)
	if err != nil {
		return err
	}
	err = use(p, r)
	closed := ends("closing the reader", r.Close)
	if closed != nil {
		closed = fmt.Errorf("close the reader: %w", closed)
	}
	return errors.Join(err, closed, p.close())
}

func cancelled[K, V any](b *bench[K, V]) error {
	return b.withReader(items(0, 10), func(_ *process[K, V], r source.Reader[K, V]) error {
		ctx, cancel := context.WithCancel(b.tb.Context())
		cancel()
		err := ends("Read, with a context that has ended,", func() error {
			return r.Read(ctx, &source.Batch[K, V]{Behind: -1})
		})
		if err != nil && strings.Contains(err.Error(), "has not returned") {
			return err
		}
		return nil
	})
}

func waiting[K, V any](b *bench[K, V]) error {
	if b.Bounded {
		return missingField("Bounded not to be set")
	}
	return b.withReader(items(0, 3), func(_ *process[K, V], r source.Reader[K, V]) error {
		var position []byte
		for done := false; !done; {
			s, d, err := b.read(r, position)
			if err != nil {
				return err
			}
			position, done = s.position, d
		}
		ctx, cancel := context.WithCancel(b.tb.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		return ends("Read, when its context has ended,", func() error {
			for ctx.Err() == nil {
				if later, ok := errors.AsType[*weir.RetryLaterError](r.Read(ctx, &source.Batch[K, V]{Behind: -1})); ok {
					select {
					case <-time.After(later.Wait()):
					case <-ctx.Done():
					}
				}
			}
			return nil
		})
	})
}

func unacknowledged[K, V any](b *bench[K, V]) error {
	if b.Acknowledged == nil {
		return missingField("Acknowledged")
	}
	want := items(0, 20)
	b.fill(want)
	for i := range 2 { // the first process dies, and the second one gets everything again
		if i > 0 {
			b.missing.Add(int64(len(want)))
		}
		p, err := b.start()
		if err != nil {
			return err
		}
		got, err := p.readAll()
		if err := errors.Join(err, p.close()); err != nil {
			return err
		}
		if n := b.Acknowledged(b.tb, b.place); n != 0 {
			return fmt.Errorf("the system takes %d records for done, and none was acknowledged", n)
		}
		if err := b.same(got, want); err != nil {
			return err
		}
	}
	return nil
}

func acknowledged[K, V any](b *bench[K, V]) error {
	if b.Acknowledged == nil {
		return missingField("Acknowledged")
	}
	want := items(0, 500)
	b.Fill(b.tb, b.place, want) // a system may hold back the rest until a position is acknowledged: nothing counts as missing
	p, err := b.start()
	if err != nil {
		return err
	}
	found, err := p.splits()
	if err != nil {
		return err
	}
	done := 0
	for _, split := range found {
		r, steps, err := p.someSteps(split, 1)
		if err != nil {
			return err
		}
		count := 0 // records before the position that was acknowledged last
		for range 2 {
			if len(steps) == 0 {
				break
			}
			committed := steps[len(steps)-1]
			count = len(itemsOf(steps))
			s, _, err := b.read(r, committed.kept) // which is not committed
			if err != nil {
				return err
			}
			if err := r.Acknowledge(b.tb.Context(), committed.kept); err != nil {
				return fmt.Errorf("acknowledge position %q: %w", committed.kept, err)
			}
			if len(s.items) > 0 {
				steps = append(steps, s)
			}
		}
		if err := r.Close(); err != nil {
			return fmt.Errorf("close a reader: %w", err)
		}
		done += count
	}
	if err := p.close(); err != nil {
		return err
	}
	for end := time.Now().Add(patience / 3); ; time.Sleep(10 * time.Millisecond) {
		n := b.Acknowledged(b.tb, b.place)
		if n == done {
			return nil
		}
		if n > done || time.Now().After(end) {
			return fmt.Errorf("the system takes %d records for done, and the acknowledged positions are behind %d", n, done)
		}
	}
}

func regular[K, V any](b *bench[K, V]) error {
	if b.Acknowledged == nil {
		return missingField("Acknowledged")
	}
	return b.withReader(items(0, 3), func(_ *process[K, V], r source.Reader[K, V]) error {
		ctx, cancel := context.WithTimeout(b.tb.Context(), 10*time.Second)
		defer cancel()
		for empty := 0; empty < 2; {
			batch := source.Batch[K, V]{Behind: -1}
			err := r.Read(ctx, &batch)
			if err == io.EOF { //nolint:errorlint // as the runtime takes it
				return nil
			}
			if ctx.Err() != nil {
				return errors.New("a Read waits for records for ever: it has to return now and then, so that Acknowledge can be called")
			}
			if len(batch.Records) == 0 {
				empty++
			}
		}
		return nil
	})
}

func secrets[K, V any](b *bench[K, V]) error {
	if b.Unreachable == nil || len(b.Secrets) == 0 {
		return missingField("Unreachable and System.Secrets")
	}
	ctx, cancel := context.WithTimeout(b.tb.Context(), patience)
	defer cancel()
	from := b.Unreachable(b.tb)
	shown := []string{fmt.Sprintf("%v %+v %#v", from, from, from)}
	err := from.Connect(ctx)
	if err == nil {
		var found []source.Split
		found, err = from.Splits(ctx, func(string) bool { return false })
		for _, split := range found {
			if err != nil {
				break
			}
			var r source.Reader[K, V]
			if r, err = from.Open(ctx, b.task(), split, nil); err == nil {
				err = r.Read(ctx, &source.Batch[K, V]{Behind: -1})
				_ = r.Close()
			}
		}
		_ = from.Close(ctx)
	}
	if err == nil {
		return errors.New("the source of Unreachable can be read")
	}
	shown = append(shown, fmt.Sprintf("%v %+v %#v", err, err, err))
	for _, text := range shown {
		for _, secret := range b.Secrets {
			if strings.Contains(text, secret) {
				return fmt.Errorf("a secret is in %q", strings.ReplaceAll(text, secret, "SECRET"))
			}
		}
	}
	return nil
}

// goroutines opens readers, which read, do not read, and are cancelled, and closes them.
func goroutines[K, V any](b *bench[K, V]) error {
	b.fill(items(0, 1000))
	before := runtime.NumGoroutine()
	p, err := b.start()
	if err != nil {
		return err
	}
	found, err := p.splits()
	if err != nil {
		return err
	}
	for _, split := range found {
		for reads := range 3 {
			r, err := p.open(split, nil)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(b.tb.Context(), 100*time.Millisecond)
			for range reads {
				_ = r.Read(ctx, &source.Batch[K, V]{Behind: -1})
			}
			cancel()
			if err := ends("closing a reader", r.Close); err != nil {
				return fmt.Errorf("close a reader: %w", err)
			}
		}
	}
	if err := p.close(); err != nil {
		return err
	}
	for end := time.Now().Add(cmp.Or(b.leaks, 5*time.Second)); runtime.NumGoroutine() > before; {
		if time.Now().After(end) {
			stacks := make([]byte, 1<<20)
			stacks = stacks[:runtime.Stack(stacks, true)]
			return fmt.Errorf("%d goroutines are left:\n%s", runtime.NumGoroutine()-before, stacks)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil
}
