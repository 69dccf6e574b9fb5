package sourcing

import (
	"slices"
	"time"

	"github.com/weirstreams/weir/source"
)

// splitReport is the progress of a split as the worker sees it.
type splitReport struct {
	id             string
	records, bytes int64
	position       []byte
	behind         int64
	at             time.Time
}

// took notes a batch.
func (r *splitReport) took(records int, bytes int64, position []byte, behind int64, now time.Time) {
	r.records += int64(records)
	r.bytes += bytes
	r.position, r.behind = position, behind
	if records > 0 {
		r.at = now
	}
}

// publishInterval is how often the report is made anew at most.
const publishInterval = 200 * time.Millisecond

// publish makes the report for other goroutines, unless it was made a short time ago: then Next has it made later.
func (s *Slot[K, V]) publish() {
	now := s.task.Now()
	finished, failures, _ := s.looking.status()
	done := s.looked && len(s.open) == 0 && len(s.waiting) == 0
	s.mu.Lock()
	defer s.mu.Unlock()
	if !done && s.report.Done == done && now.Sub(s.rate.published) < publishInterval && s.report.Looked == s.looked {
		s.rate.stale = true
		return
	}
	s.rate.published, s.rate.stale = now, false
	s.report.Looked, s.report.Done, s.report.Finished, s.report.Waiting = s.looked, done, finished, len(s.waiting)
	s.report.Splits = make([]source.SplitStatus, 0, len(s.open))
	for _, r := range s.open {
		failedCalls, failing, _ := r.status()
		failures += failedCalls
		split := source.SplitStatus{
			ID: r.report.id, Records: r.report.records, Bytes: r.report.bytes, Position: r.report.position, Behind: r.report.behind, LastRecord: r.report.at,
			Ended: r.endTaken,
		}
		if failing != nil {
			split.Failing = failing.Error()
		}
		s.report.Splits = append(s.report.Splits, split)
	}
	s.report.Failures = failures
	s.report.Behind = behind(s.report.Splits)
}

// behind returns how much is left in splits, or -1 if it is not known of one of them.
func behind(splits []source.SplitStatus) (left int64) {
	for _, split := range splits {
		if split.Behind < 0 {
			return -1
		}
		left += split.Behind
	}
	return left
}

// Status implements [operator.Feed].
func (s *Slot[K, V]) Status() source.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.report
	r.Splits = slices.Clone(r.Splits)
	r.PerSecond = s.rate.perSecond(s.task.Now(), r.Records)
	return r
}

// meter measures the rate of a count over the last seconds.
type meter struct {
	published time.Time // when the report was made, and stale says that it has changed since
	stale     bool
	marks     [2]mark // the beginning of the window, and a later mark that follows it
}

type mark struct {
	at    time.Time
	count int64
}

// window is the time over which a rate is measured.
const window = 5 * time.Second

// add notes a count.
func (m *meter) add(now time.Time, count int64) {
	switch {
	case m.marks[0].at.IsZero():
		m.marks = [2]mark{{now, 0}, {now, 0}}
	case now.Sub(m.marks[1].at) >= window:
		m.marks[0], m.marks[1] = m.marks[1], mark{now, count}
	}
}

// perSecond returns the rate between the beginning of the window and now.
func (m *meter) perSecond(now time.Time, count int64) float64 {
	if m.marks[0].at.IsZero() {
		return 0
	}
	from := m.marks[0]
	if now.Sub(m.marks[1].at) >= window {
		from = m.marks[1]
	}
	return float64(count-from.count) / max(1, now.Sub(from.at).Seconds())
}
