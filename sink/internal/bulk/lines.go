package bulk

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector/web"
	"github.com/weirstreams/weir/sink"
)

// Lines describes a target that takes items as lines, by requests of HTTP, and refuses requests that have a wrong one.
type Lines[K, V any] struct {
	// Target names the sink in errors, and Noun an item.
	Target fmt.Stringer
	Noun   string
	// AppendLine appends the line of a record, with its end. It is called by the goroutine of the task alone. An error is one of the record.
	AppendLine func(dst []byte, r *weir.Record[K, V]) ([]byte, error)
	// Post makes one attempt of a request with lines. A [web.WrongRequest] says that lines of it are refused.
	Post func(ctx context.Context, body []byte, encoding string) (web.Answer, error)
	// Partial reads the answer with status 400 to a request that was refused in part: the errors by the numbers of lines, from 1. No errors mean that
	// the answer does not tell which lines were refused, and nil that no answer does.
	Partial func(body []byte) map[int]error
	// Gzip compresses requests.
	Gzip bool
	// Retry is for failures that may pass. After its attempts the input is held back for OutageWait.
	Retry      weir.Retry
	OutageWait time.Duration
}

// line is a record as a line.
type line struct {
	Progress
	bytes []byte
}

// lineWriter writes the lines of a task.
type lineWriter[K, V any] struct {
	Lines[K, V]
	gzip web.Gzip

	// The goroutine of the task makes lines of these: scratch is the memory of the last one, and free and lines are memory for next ones.
	scratch []byte
	free    []byte
	lines   []line
}

// Lines of a task lie in pieces of memory with these numbers of bytes and lines. A longer line has one of its own.
const (
	bytesOfPiece = 32 << 10
	linesOfPiece = 256
)

// makeLine makes the line of a record.
func (w *lineWriter[K, V]) makeLine(r *weir.Record[K, V]) (_ *line, err error) {
	if w.scratch, err = w.AppendLine(w.scratch[:0], r); err != nil {
		return nil, err
	}
	if len(w.free) < len(w.scratch) {
		w.free = make([]byte, max(bytesOfPiece, len(w.scratch)))
	}
	n := copy(w.free, w.scratch)
	if len(w.lines) == 0 {
		w.lines = make([]line, linesOfPiece)
	}
	l := &w.lines[0]
	l.bytes = w.free[:n:n]
	w.free, w.lines = w.free[n:], w.lines[1:]
	return l, nil
}

// NewLineWriter returns the writer of a task. The sizes of options are set to those of lines.
func NewLineWriter[K, V any](lines Lines[K, V], options sink.BatchOptions) sink.Writer[K, V] {
	w := &lineWriter[K, V]{Lines: lines}
	return NewWriter(Config[K, V, *line]{
		Target: w.Target, Noun: w.Noun, Size: func(l *line) int { return len(l.bytes) },
		Make: w.makeLine,
		Write: func(ctx context.Context, records []weir.Record[struct{}, *line]) error {
			return Write(ctx, Attempts{w.Retry, w.OutageWait, w.Target, w.Noun}, records, w.send)
		},
	}, options)
}

// send writes lines by one request, or by several if the target refuses it, until each is done or refused. An error says that some are left. Lines
// that the target has from a request that it refused are written again.
func (w *lineWriter[K, V]) send(ctx context.Context, lines []*line) error {
	return Halves(lines, func(lines []*line) error {
		answer, err := w.post(ctx, lines)
		if err == nil {
			for _, l := range lines {
				l.Done = true
			}
			return nil
		}
		_, wrong := errors.AsType[*web.WrongRequest](err)
		if wrong && w.Partial != nil && answer.Status == http.StatusBadRequest && judge(lines, w.Partial(answer.Body)) {
			return nil
		}
		return err
	})
}

// judge marks the lines by their errors. It reports false, and marks none, if these are not errors of such a request.
func judge(lines []*line, refused map[int]error) bool {
	if len(refused) == 0 {
		return false
	}
	for number := range refused {
		if number < 1 || number > len(lines) {
			return false
		}
	}
	for i, l := range lines {
		l.Refused = refused[i+1]
		l.Done = l.Refused == nil
	}
	return true
}

// post makes one attempt of a request.
func (w *lineWriter[K, V]) post(ctx context.Context, lines []*line) (web.Answer, error) {
	size := 0
	for _, l := range lines {
		size += len(l.bytes)
	}
	body := make([]byte, 0, size)
	for _, l := range lines {
		body = append(body, l.bytes...)
	}
	encoding := ""
	if w.Gzip {
		var err error
		if body, err = w.gzip.Compress(body); err != nil {
			return web.Answer{}, fmt.Errorf("compress: %w", err)
		}
		encoding = "gzip"
	}
	return w.Post(ctx, body, encoding)
}
