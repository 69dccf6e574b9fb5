package view

import (
	"fmt"
	"html/template"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirstreams/weir/runtime"
)

// page is the data of the templates.
type page struct {
	*Group
	Picture   template.HTML
	Controls  bool
	Settings  []runtime.Setting
	Build     Build
	sourceURL string
}

// Own returns this member.
func (p page) Own() *Member { return p.Members[0] }

// schemes are those of links to lines of code: of the web, and of editors.
var schemes = []string{"http", "https", "vscode", "vscodium", "cursor", "zed", "idea", "goland", "jetbrains", "txmt", "subl", "emacs"}

// Source returns the link to a line of code, empty if there is none.
func (p page) Source(site string) template.URL {
	file, line, ok := strings.Cut(site, ":")
	if p.sourceURL == "" || !ok {
		return ""
	}
	link := strings.NewReplacer("{file}", (&url.URL{Path: file}).EscapedPath(), "{line}", url.PathEscape(line)).Replace(p.sourceURL)
	if parsed, err := url.Parse(link); err != nil || !slices.Contains(schemes, parsed.Scheme) {
		return ""
	}
	return template.URL(link) //nolint:gosec // its scheme was looked at
}

// Operators returns the operators, with the figures of all members.
func (p page) Operators() []runtime.OperatorStatus { return p.Own().Inspection.Operators }

// Scopes returns the sub-topologies that can be paused.
func (p page) Scopes() (names []string) {
	for _, o := range p.Operators() {
		if o.SubTopology != "" && !slices.Contains(names, o.SubTopology) {
			names = append(names, o.SubTopology)
		}
	}
	return names
}

// IdleTimeout returns the setting of that name, empty if it is 0.
func (p page) IdleTimeout() string {
	for _, s := range p.Settings {
		if s.Field == "IdleTimeout" {
			return s.Value
		}
	}
	return ""
}

// Holds says why the stream time of a task does not go on, as far as its status tells.
func (p page) Holds(m *Member, t runtime.TaskStatus) string {
	var worker runtime.WorkerStatus
	if t.Worker < len(m.Status.Workers) {
		worker = m.Status.Workers[t.Worker]
	}
	switch {
	case t.Paused:
		return "the task is paused"
	case t.Restoring:
		return "state is being restored"
	case !worker.HeldSince.IsZero():
		return "input is held back by a sink, a lookup, a codec or a retry"
	case t.Lag > 0 && m.Rates.Tasks[t.Name] == 0 && len(m.Rates.Tasks) > 0:
		return "records wait, and none was processed in the last seconds"
	case t.Lag > 0:
		return "records wait"
	case m.Rates.Tasks[t.Name] > 0:
		return "nothing: records come"
	case p.IdleTimeout() == "":
		return "no newer record; Config.IdleTimeout is 0, so that windows wait for one"
	default:
		return "no newer record; windows close after Config.IdleTimeout, " + p.IdleTimeout()
	}
}

// Behind returns the age of the oldest record that waits for a task.
func (p page) Behind(t runtime.TaskStatus) (behind time.Duration) {
	for _, in := range t.Inputs {
		behind = max(behind, in.Behind)
	}
	return behind
}

// CheckpointAt returns when the worker of a task has made its last checkpoint.
func (p page) CheckpointAt(m *Member, t runtime.TaskStatus) time.Time {
	if t.Worker < len(m.Status.Workers) {
		return m.Status.Workers[t.Worker].CheckpointAt
	}
	return time.Time{}
}

// Restoring reports whether a member restores state or loads a global table.
func (p page) Restoring() bool {
	return slices.ContainsFunc(p.Members, func(m *Member) bool {
		return slices.ContainsFunc(m.Status.Tasks, func(t runtime.TaskStatus) bool { return t.Restoring }) ||
			slices.ContainsFunc(m.Status.Globals, func(t runtime.GlobalStatus) bool { return t.Loading })
	})
}

var functions = template.FuncMap{"count": count, "rate": rate, "size": size, "took": took, "clock": clock, "ago": ago}

// count writes a number with separators.
func count(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// rate writes a number per second.
func rate(perSecond float64) string {
	if perSecond > 0 && perSecond < 10 {
		return strconv.FormatFloat(perSecond, 'f', 1, 64) + "/s"
	}
	return count(int64(perSecond+0.5)) + "/s"
}

// size writes a number of bytes.
func size(bytes int64) string {
	f, unit := float64(bytes), 0
	for f >= 1024 && unit < 4 {
		f, unit = f/1024, unit+1
	}
	if unit == 0 {
		return fmt.Sprintf("%d B", bytes)
	}
	return fmt.Sprintf("%.1f %s", f, []string{"", "KiB", "MiB", "GiB", "TiB"}[unit])
}

// took writes a duration, empty if it is 0.
func took(d time.Duration) string {
	switch {
	case d == 0:
		return ""
	case d >= time.Minute:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	default:
		return d.Round(10 * time.Microsecond).String()
	}
}

// clock writes a time, empty if it is zero.
func clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// ago writes how long ago a time is, empty if it is zero.
func ago(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	d := time.Since(t)
	if d < 0 {
		return took(-d.Round(time.Second)) + " ahead"
	}
	return d.Round(time.Second).String() + " ago"
}
