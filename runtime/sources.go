package runtime

import (
	"fmt"
	"time"

	"github.com/weirstreams/weir/operator"
)

// SourceStatus is the state of a slot of a source outside of Kafka. Counts begin when the slot came to this member.
type SourceStatus struct {
	// Source is the name of the source, and Slot the number of the slot.
	Source string
	Slot   int32
	// Looked is true when the source has named its splits for the first time. Done is true when all of them are read to their ends, and
	// that is committed.
	Looked, Done bool
	// Finished is how many splits are at their ends, since ever. Waiting is how many are to be opened when others are at their ends.
	Finished, Waiting int
	// Records were written to the topic. Bytes is their size in the system, as far as the source tells it.
	Records, Bytes int64
	// PerSecond is the rate of records over the last seconds.
	PerSecond float64
	// Behind is how much is left in the open splits, in records or bytes as the system counts, or -1 if it is not known of one of them.
	Behind int64
	// Failures counts the calls that have failed and were made again, and acknowledgements that have failed.
	Failures int64
	// Splits are the open splits, in the order of opening.
	Splits []SplitStatus
}

// SplitStatus is the state of an open split. Counts begin when it was opened.
type SplitStatus struct {
	ID             string
	Records, Bytes int64
	// Position is the one behind the last record that was written, as the source writes it. It is committed with the next checkpoint.
	Position []byte
	// Behind is how much is left behind Position, in records or bytes as the system counts, or -1 if that is not known.
	Behind int64
	// LastRecord is when records came last, zero if none have.
	LastRecord time.Time
	// Ended is true at the end of the split, until it is committed.
	Ended bool
	// Failing is the error of the last call, while it is to be made again.
	Failing string
}

func sourceStatus(r operator.FeedReport) SourceStatus {
	s := SourceStatus{
		Source: r.Source, Slot: r.Slot, Looked: r.Looked, Done: r.Done, Finished: r.Finished, Waiting: r.Waiting,
		Records: r.Records, Bytes: r.Bytes, PerSecond: r.PerSecond, Failures: r.Failures,
	}
	for _, split := range r.Splits {
		s.Splits = append(s.Splits, SplitStatus{
			ID: split.ID, Records: split.Records, Bytes: split.Bytes, Position: split.Position, Behind: split.Behind, LastRecord: split.At,
			Ended: split.Ended, Failing: split.Failing,
		})
		if split.Behind < 0 || s.Behind < 0 {
			s.Behind = -1
		} else {
			s.Behind += split.Behind
		}
	}
	return s
}

// sourcesDone reports whether this member reads sources, and all of them are at their ends.
func (a *App) sourcesDone() bool {
	sources := a.Status().Sources
	for _, s := range sources {
		if !s.Done {
			return false
		}
	}
	return len(sources) > 0
}

// reportSource logs how far a source is, if it has written records since the last report.
func (p *progress) reportSource(s SourceStatus) {
	name := fmt.Sprintf("%s/%d", s.Source, s.Slot)
	if s.Records == p.sources[name] {
		return
	}
	p.sources[name] = s.Records
	args := []any{
		"source", s.Source, "slot", s.Slot, "records", s.Records, "per_second", int64(s.PerSecond), "open", len(s.Splits),
		"waiting", s.Waiting, "finished", s.Finished,
	}
	if s.Bytes > 0 {
		args = append(args, "bytes", s.Bytes)
	}
	if s.Behind >= 0 && len(s.Splits) > 0 {
		args = append(args, "behind", s.Behind)
	}
	if len(s.Splits) == 1 && len(s.Splits[0].Position) <= shownPosition {
		args = append(args, "split", s.Splits[0].ID, "position", fmt.Sprintf("%q", s.Splits[0].Position))
	}
	p.log.Info("reading a source", args...)
}

// shownPosition is the length of a position that the log shows, in bytes.
const shownPosition = 100
