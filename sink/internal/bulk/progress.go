package bulk

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector/web"
)

// Progress says how far an item is. Items embed it.
type Progress struct {
	// Done says that the target has the item, or one that takes its place.
	Done bool
	// Refused is the answer to an item that the target does not take.
	Refused error
}

func (p *Progress) progress() *Progress { return p }

// tracked is an item that embeds its [Progress].
type tracked interface{ progress() *Progress }

// Attempts are the attempts to write a batch to a target.
type Attempts struct {
	// Retry is for failures that may pass. After its attempts the input is held back for OutageWait.
	Retry      weir.Retry
	OutageWait time.Duration
	// Target names the sink in errors, and Noun an item.
	Target fmt.Stringer
	Noun   string
}

// Write calls send with the items of a batch that are neither done nor refused, with as many attempts as the policy allows, and returns the errors of the
// refused ones. send marks items; its error says that some are left. Items that are through stay so when Write is called again with them.
func Write[T tracked](ctx context.Context, a Attempts, records []weir.Record[struct{}, T], send func(ctx context.Context, left []T) error) error {
	a.Retry.If = web.Again(a.Retry.If)
	err := a.Retry.Do(ctx, func(ctx context.Context) error {
		left := make([]T, 0, len(records))
		for i := range records {
			if p := records[i].Value.progress(); !p.Done && p.Refused == nil {
				left = append(left, records[i].Value)
			}
		}
		if len(left) == 0 {
			return nil
		}
		return send(ctx, left)
	})
	switch {
	case err == nil:
		return Refused(records, func(item T) error {
			if refused := item.progress().Refused; refused != nil {
				return fmt.Errorf("%s refuses the %s: %w", a.Target, a.Noun, refused)
			}
			return nil
		})
	case ctx.Err() != nil:
		return fmt.Errorf("write %d %ss to %s: %w", len(records), a.Noun, a.Target, err)
	}
	return fmt.Errorf("write %d %ss to %s: %w", len(records), a.Noun, a.Target, web.Outage(err, a.OutageWait))
}

// Halves calls send with items. If the target refuses the request for its content ([*web.WrongRequest]), send is called with one half after the other, until the
// items that are wrong are known and marked. An error of the first half ends it: the second may have later items that take the place of those.
func Halves[T tracked](items []T, send func([]T) error) error {
	err := send(items)
	wrong, ok := errors.AsType[*web.WrongRequest](err)
	if !ok {
		return err
	}
	if len(items) == 1 {
		items[0].progress().Refused = wrong.Err
		return nil
	}
	half := len(items) / 2
	if err := Halves(items[:half], send); err != nil {
		return err
	}
	return Halves(items[half:], send)
}

// Decisive returns the error of several that decides about another attempt: one that stays comes before one that passes ([*web.Transient]). Either may be nil.
func Decisive(first, second error) error {
	if _, passing := errors.AsType[*web.Transient](first); first == nil || passing && second != nil {
		return second
	}
	return first
}
