package runtime

import (
	"fmt"

	"github.com/weirstreams/weir/source"
)

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
func (p *progress) reportSource(s source.Status) {
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
