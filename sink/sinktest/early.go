package sinktest

import (
	"errors"
	"fmt"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/sink"
)

// A plain sink may write before a checkpoint asks for it, on goroutines of its own. These cases add more records than one call of most sinks
// takes, so that such a sink has something in flight.

// earlyRecords is how many records a case adds without a checkpoint, at most.
const earlyRecords = 1500

func (b *bench[K, V]) early() []Item { return items(0, min(b.Records, earlyRecords)) }

// addMany adds items, with checkpoints where the writer asks for them.
func (p *process[K, V]) addMany(all ...Item) error {
	for _, i := range all {
		if err := p.add(i); err != nil {
			return err
		}
		if p.writer.Full() {
			if err := p.checkpoint(); err != nil {
				return err
			}
		}
	}
	return nil
}

func discardedEarly[K, V any](b *bench[K, V]) error {
	p, err := b.start()
	if err != nil {
		return err
	}
	var before []Item
	for _, i := range b.early() {
		if err := p.add(i); err != nil {
			return err
		}
		if before = append(before, i); p.writer.Full() {
			break
		}
	}
	p.writer.Discard()
	if p.writer.Full() {
		return errors.New("the writer is full, although all of its records were discarded")
	}
	after := make([]Item, len(before))
	for n, i := range before {
		after[n] = Item{Key: i.Key, Value: "again " + i.Value}
	}
	if err := p.write(after...); err != nil {
		return err
	}
	if p.flush == nil {
		return b.expect(after...)
	}
	return b.compareWithin(after, before)
}

func closedEarly[K, V any](b *bench[K, V]) error {
	p, err := b.start()
	if err != nil {
		return err
	}
	all := b.early()
	if err := p.addMany(all...); err != nil {
		return err
	}
	if err := p.close(); err != nil {
		return err
	}
	if p, err = b.start(); err != nil {
		return err
	}
	if err := errors.Join(p.addMany(all...), p.checkpoint()); err != nil {
		return err
	}
	return b.compare(all, true)
}

func refusedEarly[K, V any](b *bench[K, V]) error {
	if b.Refused == nil {
		return missingField("Refused")
	}
	p, err := b.start()
	if err != nil {
		return err
	}
	var poison sink.RecordErrors
	// skip makes a checkpoint again after the error policy has skipped the refused records.
	skip := func(err error) error {
		for {
			refused, ok := errors.AsType[sink.RecordErrors](err)
			if !ok {
				return err
			}
			poison = append(poison, refused...)
			err = p.checkpoint()
		}
	}
	all := b.early()
	half := len(all) / 3
	if err := p.addMany(all[:half]...); err != nil {
		return err
	}
	at, ofAdd := p.addRefused()
	for _, i := range all[half:] {
		if err := skip(p.addMany(i)); err != nil {
			return err
		}
	}
	if err := skip(p.checkpoint()); err != nil {
		return err
	}
	if ofAdd == nil && (len(poison) != 1 || poison[0].Origin.Offset != at) {
		return fmt.Errorf("the record at offset %d is refused, and %d errors of records came: %w", at, len(poison), poison)
	}
	return b.expect(all...)
}

func pushedEarly[K, V any](b *bench[K, V]) error {
	if b.Push == nil {
		return missingField("Push")
	}
	p, err := b.start()
	if err != nil {
		return err
	}
	all := b.early()
	if err := p.write(all[0]); err != nil {
		return err
	}
	end := b.Push(b.tb, b.place)
	added := 1
	for ; added < len(all) && err == nil; added++ {
		err = p.addMany(all[added])
	}
	if err == nil {
		err = p.checkpoint()
	}
	end()
	if !errors.As(err, new(*weir.RetryLaterError)) {
		return fmt.Errorf("the target asks for time, and that makes no weir.RetryLaterError: %w", errors.Join(err, errors.New("(the result of the checkpoint)")))
	}
	if err := errors.Join(p.checkpoint(), p.addMany(all[added:]...), p.checkpoint()); err != nil {
		return fmt.Errorf("when the target takes records again: %w", err)
	}
	return b.expectRepeated(all...)
}
