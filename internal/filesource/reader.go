package filesource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/internal/replay"
	"github.com/weirstreams/weir/source"
)

// position is a place in the sequence of files.
type position struct {
	// File is the one that is read, or the last one that was read to its end.
	File string `json:"file"`
	// Done says that File was read to its end.
	Done bool `json:"done,omitempty"`
	// Place is the one in File.
	Place format.Place `json:"place"`
	// Version is that of File, where files have one.
	Version string `json:"version,omitempty"`
}

// reader reads the files of a split one after the other.
type reader[K, V any] struct {
	source *Source[K, V]
	task   source.Task
	// part are the files of the split.
	part Part
	// watched says that new files may come.
	watched  bool
	position position
	// queue are the files behind the position, in order. passed are those before, of a watched split: a new file among them would be missed.
	queue  []Entry
	passed map[string]bool
	// file is open, with its decoder. size is the stored size of it.
	file    File
	decoder format.Decoder[K, V]
	// held is a record that waits for its time, and lies behind position.
	held  *weir.Record[K, V]
	due   time.Time
	clock replay.Pace
}

// begin lists the files, and finds the one of the position.
func (r *reader[K, V]) begin(ctx context.Context) error {
	found, err := r.source.Files.List(ctx, r.task.Now(), r.part)
	if err != nil {
		return err
	}
	if r.watched {
		r.passed = map[string]bool{}
	}
	r.clock = replay.Pace{Speed: r.source.Options.Speed, Most: r.source.Options.MaxWait, Delay: r.source.Options.Delay}
	return r.take(found)
}

// take puts the files behind the position into the queue.
func (r *reader[K, V]) take(found []Entry) error {
	r.queue = r.queue[:0]
	for _, f := range found {
		order := r.source.Files.Compare(f.Name, r.position.File)
		switch {
		case r.position.File == "" || order > 0 || order == 0 && !r.position.Done:
			r.queue = append(r.queue, f)
		case r.watched:
			r.passed[f.Name] = true
		}
	}
	if r.position.File != "" && !r.position.Done && (len(r.queue) == 0 || r.queue[0].Name != r.position.File) {
		return fmt.Errorf("file %s, which was read up to record %d, is gone: %w", r.source.Files.PathOf(r.position.File), r.position.Place.Records, fs.ErrNotExist)
	}
	return nil
}

// look lists the files again, for new ones.
func (r *reader[K, V]) look(ctx context.Context) error {
	found, err := r.source.Files.List(ctx, r.task.Now(), r.part)
	if err != nil {
		return err
	}
	for _, f := range found {
		if r.position.File != "" && r.source.Files.Compare(f.Name, r.position.File) < 0 && !r.passed[f.Name] {
			return fmt.Errorf("file %s has come after %s was read, and its name is before that one: it would be passed over. Name new files in order, "+
				"or read them with the order Independent", r.source.Files.PathOf(f.Name), r.source.Files.PathOf(r.position.File))
		}
	}
	return r.take(found)
}

// errWait ends a batch before its next record has come.
type errWait struct{ time.Duration }

func (e errWait) Error() string { return "wait" }

func (r *reader[K, V]) Read(ctx context.Context, into *source.Batch[K, V]) error {
	if r.file != nil {
		r.file.Use(ctx)
	}
	before := r.position
	bytes, err := r.fill(ctx, into)
	wait, waits := errors.AsType[errWait](err)
	if err != nil && !waits && err != io.EOF { //nolint:errorlint // a record may fail with an error that wraps it
		return err
	}
	into.Bytes, into.Behind = bytes, r.behind()
	if r.position != before {
		data, marshalErr := json.Marshal(r.position)
		if marshalErr != nil {
			return marshalErr
		}
		into.Position = data
	}
	if waits {
		return &weir.RetryLaterError{RetryAfter: wait.Duration}
	}
	return err
}

// fill appends records until the batch is full, everything is read, or the next one has to wait.
func (r *reader[K, V]) fill(ctx context.Context, into *source.Batch[K, V]) (bytes int64, err error) {
	o := &r.source.Options
	paced := r.clock.Waits()
	for len(into.Records) < o.BatchRecords && bytes < batchBytes {
		if ctx.Err() != nil {
			return bytes, context.Cause(ctx)
		}
		if r.decoder == nil {
			if err := r.next(ctx); err != nil {
				return bytes, err
			}
			continue // the file may have been passed over
		}
		record := r.held
		if record == nil {
			into.Records = append(into.Records, weir.Record[K, V]{})
			record = &into.Records[len(into.Records)-1]
			again, err := r.decode(record)
			if err != nil || again {
				into.Records = into.Records[:len(into.Records)-1]
			}
			if err != nil {
				return bytes, err
			}
			if again {
				continue
			}
			if paced {
				r.due = r.clock.Due(r.task.Now(), record.Millis)
			}
		}
		if paced {
			if wait := r.due.Sub(r.task.Now()); wait > replay.ShortestWait {
				if r.held == nil {
					copied := *record
					r.held = &copied
					into.Records = into.Records[:len(into.Records)-1]
				}
				return bytes, errWait{wait}
			}
		}
		if r.held != nil {
			into.Records = append(into.Records, *r.held)
			r.held = nil
		}
		place := r.decoder.Place()
		bytes += place.Bytes - r.position.Place.Bytes
		r.position.Place = place
	}
	return bytes, nil
}

// next opens the next file.
func (r *reader[K, V]) next(ctx context.Context) error {
	if len(r.queue) == 0 && r.watched {
		if err := r.look(ctx); err != nil {
			return fmt.Errorf("%s: %w", r.source.Name, err)
		}
		if len(r.queue) == 0 {
			return errWait{r.source.Options.WatchInterval}
		}
	}
	if len(r.queue) == 0 {
		return io.EOF
	}
	f := r.queue[0]
	if f.Name != r.position.File {
		if r.passed != nil && r.position.File != "" {
			r.passed[r.position.File] = true
		}
		r.position = position{File: f.Name}
	}
	file, err := r.source.Files.Open(ctx, f.Name)
	if err != nil {
		return fmt.Errorf("%s: %w", r.source.Name, err)
	}
	if r.position.Version != "" && r.position.Version != file.Version() {
		err := fmt.Errorf("version %s was read up to here, and version %s is there now: %w", r.position.Version, file.Version(), format.ErrChanged)
		err = &format.Error{File: file.Name(), Line: lineOf(r.position.Place), Record: r.position.Place.Records + 1, Rest: true, Err: err}
		return errors.Join(r.refuse(err, file.Close))
	}
	r.position.Version = file.Version()
	decoder, err := r.source.Options.Format.NewDecoder(file, r.position.Place)
	if err != nil {
		return errors.Join(r.refuse(err, file.Close))
	}
	r.file, r.decoder = file, decoder
	return nil
}

// decode reads the next record of the file. again says that there is none, and that the next one may be read: of the next file, or behind a record
// that was passed over.
func (r *reader[K, V]) decode(into *weir.Record[K, V]) (again bool, err error) {
	err = r.decoder.Decode(into)
	if err == io.EOF { //nolint:errorlint // a record may fail with an error that wraps it
		if err := r.file.Unchanged(); err != nil {
			place := r.decoder.Place()
			err = &format.Error{File: r.file.Name(), Line: lineOf(place), Record: place.Records + 1, Rest: true, Err: err}
			return true, r.refuse(err, r.close)
		}
		return true, r.finish(r.close)
	}
	if err == nil {
		err = r.complete(into)
	}
	if err == nil {
		return false, nil
	}
	if e, ok := errors.AsType[*format.Error](err); ok && e.Rest {
		return true, r.refuse(err, r.close)
	}
	return true, r.refuse(err, nil)
}

// lineOf returns the line behind a place, 0 for formats without lines.
func lineOf(p format.Place) int64 {
	if p.Lines == 0 {
		return 0
	}
	return p.Lines + 1
}

// complete sets key and time by the functions of the options.
func (r *reader[K, V]) complete(into *weir.Record[K, V]) (err error) {
	o := &r.source.Options
	if o.Key != nil {
		into.KeyNull = false
		if into.Key, err = o.Key(into.Value); err != nil {
			err = fmt.Errorf("key: %w", err)
		}
	}
	if o.Time != nil && err == nil {
		var at time.Time
		if at, err = o.Time(into.Value); err != nil {
			err = fmt.Errorf("time: %w", err)
		}
		into.SetTime(at)
	}
	if err != nil {
		place := r.decoder.Place()
		return &format.Error{File: r.file.Name(), Line: place.Lines, Record: place.Records, Err: err}
	}
	return nil
}

// refuse asks the policy about an error. closing, if it is not nil, ends the file: the rest of it is passed over. The policy is not asked
// about a file that could not be read for now: nothing is known about its content.
func (r *reader[K, V]) refuse(err error, closing func() error) error {
	e, ok := errors.AsType[*format.Error](err)
	if !ok || !e.Permanent() || r.source.Options.OnError == nil {
		if closing != nil {
			err = errors.Join(err, closing())
		}
		return fmt.Errorf("%s: %w", r.source.Name, err)
	}
	if refused := r.source.Options.OnError(e); refused != nil {
		if closing != nil {
			refused = errors.Join(refused, closing())
		}
		return fmt.Errorf("%s: %w", r.source.Name, refused)
	}
	if closing == nil {
		return nil
	}
	return r.finish(closing)
}

// finish ends the file that is first in the queue.
func (r *reader[K, V]) finish(closing func() error) error {
	if r.decoder != nil {
		r.position.Place = r.decoder.Place()
	}
	r.position.Done = true
	r.queue = slices.Delete(r.queue, 0, 1)
	if err := closing(); err != nil {
		return fmt.Errorf("%s: close %s: %w", r.source.Name, r.source.Files.PathOf(r.position.File), err)
	}
	return nil
}

// close closes the file that is open.
func (r *reader[K, V]) close() error {
	err := errors.Join(r.decoder.Close(), r.file.Close())
	r.file, r.decoder = nil, nil
	return err
}

// behind returns the number of stored bytes that are left, about.
func (r *reader[K, V]) behind() (n int64) {
	for i, f := range r.queue {
		if n += f.Size; i == 0 && r.file != nil && r.file.Compression() == format.Uncompressed {
			n -= min(f.Size, r.position.Place.Bytes)
		}
	}
	return n
}

func (r *reader[K, V]) Acknowledge(context.Context, []byte) error { return nil }

func (r *reader[K, V]) Close() error {
	if r.decoder == nil {
		return nil
	}
	return r.close()
}
