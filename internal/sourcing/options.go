package sourcing

import (
	"cmp"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/raw"
	"github.com/weirstreams/weir/source"
)

const (
	defaultSlots        = 8
	defaultOpenSplits   = 64
	defaultQueueRecords = 10_000
	defaultQueueBytes   = 8 << 20
	defaultLookInterval = 30 * time.Second
	defaultCloseTimeout = 10 * time.Second
)

// WithDefaults returns the options of a source with the defaults in the place of zeros, but for the name.
func WithDefaults(options source.Options, from any) source.Options {
	if options.Slots == 0 {
		options.Slots = defaultSlots
		if s, ok := from.(source.Slotted); ok {
			options.Slots = max(1, min(defaultSlots, s.Slots()))
		}
	}
	if s, ok := from.(source.Retrying); ok && isZero(options.Retry) {
		options.Retry = s.Retry()
	}
	options.OpenSplits = cmp.Or(options.OpenSplits, defaultOpenSplits)
	options.QueueRecords = cmp.Or(options.QueueRecords, defaultQueueRecords)
	options.QueueBytes = cmp.Or(options.QueueBytes, defaultQueueBytes)
	options.LookInterval = cmp.Or(options.LookInterval, defaultLookInterval)
	options.CloseTimeout = cmp.Or(options.CloseTimeout, defaultCloseTimeout)
	return options
}

// isZero reports whether nothing of a policy is set.
func isZero(r weir.Retry) bool {
	return r.Attempts == 0 && r.FirstWait == 0 && r.MaxWait == 0 && r.If == nil
}

// NoInput is the input of the internal topic of a source, which has no records: other programs must not write there.
type NoInput struct{}

// Process implements [operator.Input]: it passes over the record.
func (NoInput) Process(*raw.Record) error { return nil }
