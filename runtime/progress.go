package runtime

import (
	"log/slog"
	"time"
)

const (
	// progressInterval is how often it is logged how far the reading of state is.
	progressInterval = 10 * time.Second
	// stallReports is how often in a row a report finds no progress before that is worth a warning: after half a minute.
	stallReports = 3
)

// progress logs how far changelogs and global tables are read.
type progress struct {
	log *slog.Logger
	// stalls are the incomplete restores at the last report.
	stalls map[string]stall
	// sources are the records of each slot of a source at the last report.
	sources map[string]int64
}

// stall is how much was left of something, and how many reports in a row have found it so.
type stall struct {
	remaining int64
	reports   int
}

func newProgress(log *slog.Logger) *progress { return &progress{log: log, sources: map[string]int64{}} }

// report is called once per progressInterval while something is being read.
func (p *progress) report(s Status) {
	before := p.stalls
	p.stalls = map[string]stall{}
	for _, t := range s.Globals {
		if t.Loading {
			p.log.Info("loading a global table", "topic", t.Topic, "rows", t.Rows, "records", t.Records, "bytes", t.Bytes,
				"remaining", t.Remaining, "per_second", int64(t.LoadRate), "left", t.LoadLeft.Round(time.Second))
			if p.stalled(before, "topic "+t.Topic, t.Remaining) {
				p.warn("the topic of a global table", "topic", t.Topic, t.Remaining)
			}
		}
	}
	for _, src := range s.Sources {
		p.reportSource(src)
	}
	for _, t := range s.Tasks {
		if t.Restoring {
			p.log.Info("restoring state", "task", t.Name, "records", t.Restored, "bytes", t.RestoredBytes,
				"remaining", t.Remaining, "per_second", int64(t.RestoreRate), "left", t.RestoreLeft.Round(time.Second))
			if p.stalled(before, "task "+t.Name, t.Remaining) {
				p.warn("a changelog", "task", t.Name, t.Remaining)
			}
		}
	}
}

// stalled notes how much is left, and reports whether it is time to say that this has not changed for long.
func (p *progress) stalled(before map[string]stall, what string, remaining int64) bool {
	s := stall{remaining: remaining}
	if last, ok := before[what]; ok && last.remaining == remaining && remaining > 0 {
		s.reports = last.reports + 1
	}
	p.stalls[what] = s
	return s.reports > 0 && s.reports%stallReports == 0
}

// warn says that something does not get on. Reading ends where the first open transaction begins.
func (p *progress) warn(what, kind, name string, remaining int64) {
	p.log.Warn("no more of "+what+" can be read: perhaps a transaction in it has not ended, which kafka-transactions.sh "+
		"find-hanging tells", kind, name, "remaining", remaining, "for_at_least", stallReports*progressInterval)
}
