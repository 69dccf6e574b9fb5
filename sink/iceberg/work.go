package iceberg

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	client "github.com/apache/iceberg-go"
	icebergio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"

	"github.com/weirstreams/weir/sink"
)

// property is that of the summary of a snapshot with the work that it has made a part of the table.
const property = "weir.work"

// token names prepared data files. They are in a manifest of their own, because a token is to be small.
type token struct {
	// Work is random: no two checkpoints ever have the same.
	Work string `json:"work"`
	// Table is the UUID of the table.
	Table string `json:"table"`
	// Manifest is the file that lists the data files, Bytes its size, Version that of its format and Spec the division of the table that it was written for.
	Manifest string `json:"manifest"`
	Bytes    int64  `json:"bytes"`
	Version  int    `json:"version"`
	Spec     int    `json:"spec"`
	// Files and Rows are their numbers, and Millis is when they were prepared.
	Files  int   `json:"files"`
	Rows   int64 `json:"rows"`
	Millis int64 `json:"millis"`
}

func (t *token) encode() ([]byte, error) { return json.Marshal(t) }

func parseToken(data []byte) (t token, err error) {
	err = json.Unmarshal(data, &t)
	if err == nil && (t.Work == "" || t.Manifest == "") {
		err = errors.New("it names no work")
	}
	if err != nil {
		return t, fmt.Errorf("token %q is not one of this sink: %w", data, err)
	}
	return t, nil
}

// work is the prepared files of a checkpoint.
type work struct {
	token
	files []client.DataFile
}

// write writes held rows into data files, and lists these in a manifest.
func (w *writer[K, V]) write(ctx context.Context, t *table.Table) (done *work, err error) {
	schema, batches, err := w.batches(t.Schema())
	if err != nil {
		return nil, err
	}
	files, err := filesOf(ctx, t)
	if err != nil {
		return nil, err
	}
	spec := t.Spec()
	done = &work{token: token{
		Work: uuid.NewString(), Table: t.Metadata().TableUUID().String(), Version: t.Metadata().Version(), Spec: spec.ID(), Millis: w.now().UnixMilli(),
	}}
	defer func() {
		if err != nil {
			done.remove(files)
		}
	}()
	var options []table.WriteRecordOption
	if n := w.sink.options.FileBytes; n > 0 {
		options = append(options, table.WithTargetFileSize(n))
		if w.bytes > n { // iceberg-go begins another file only behind a whole row group
			options = append(options, table.WithParquetRowGroupLimit(int(max(1, n*int64(len(w.rows))/w.bytes))))
		}
	}
	for f, err := range table.WriteRecords(ctx, t, schema, batches, options...) {
		if err != nil {
			return done, fmt.Errorf("write data files: %w", err)
		}
		done.files = append(done.files, f)
		done.Rows += f.Count()
	}
	done.Files = len(done.files)
	if done.Rows != int64(len(w.rows)) {
		return done, fmt.Errorf("write data files: they have %d rows of %d", done.Rows, len(w.rows))
	}
	return done, done.list(files, t)
}

// list writes the manifest.
func (d *work) list(files icebergio.WriteFileIO, t *table.Table) (err error) {
	entries := make([]client.ManifestEntry, len(d.files))
	snapshot := int64(0) // the manifest belongs to no snapshot
	for i, f := range d.files {
		entries[i] = client.NewManifestEntryBuilder(client.EntryStatusADDED, &snapshot, f).Build()
	}
	if d.Manifest, err = metadataFile(t); err != nil {
		return err
	}
	var content bytes.Buffer
	if _, err := client.WriteManifest(d.Manifest, &content, d.Version, t.Spec(), t.Schema(), snapshot, entries); err != nil {
		return fmt.Errorf("list data files: %w", err)
	}
	d.Bytes = int64(content.Len())
	if err := files.WriteFile(d.Manifest, content.Bytes()); err != nil {
		return fmt.Errorf("list data files: %w", err)
	}
	return nil
}

// read reads the manifest.
func (d *work) read(ctx context.Context, t *table.Table) error {
	files, err := filesOf(ctx, t)
	if err != nil {
		return err
	}
	m := client.NewManifestFile(d.Version, d.Manifest, d.Bytes, int32(d.Spec), 0).Content(client.ManifestContentData).AddedFiles(int32(d.Files)).AddedRows(d.Rows).Build()
	d.files = nil
	for e, err := range m.Entries(files, false) {
		if err != nil {
			return err
		}
		d.files = append(d.files, e.DataFile())
	}
	if len(d.files) != d.Files {
		return fmt.Errorf("%s has %d data files of %d", d.Manifest, len(d.files), d.Files)
	}
	return nil
}

// remove removes the files of a work that will never be committed, as far as it can: others are left to the cleaning of the table.
func (d *work) remove(files icebergio.WriteFileIO) {
	for _, f := range d.files {
		_ = files.Remove(f.FilePath())
	}
	if d.Manifest != "" {
		_ = files.Remove(d.Manifest)
	}
}

// Commit implements [sink.TwoPhaseWriter].
func (w *writer[K, V]) Commit(ctx context.Context, data []byte) error {
	named, err := parseToken(data)
	if err != nil {
		return fmt.Errorf("sink/iceberg: table %s: %w", w.sink.options.Table, err)
	}
	d := &work{token: named}
	i := slices.IndexFunc(w.prepared, func(p *work) bool { return p.Work == named.Work })
	if i >= 0 {
		d = w.prepared[i]
	}
	err = w.sink.call(ctx, "commit", func(ctx context.Context) error {
		return w.sink.alone(ctx, func() error { return w.commit(ctx, d, i >= 0) })
	})
	if err != nil {
		return err
	}
	w.clean(ctx, d, w.prepared[:max(i, 0)])
	w.prepared = w.prepared[i+1:]
	return nil
}

// clean removes the manifest of a committed work, and the works that this process has prepared before it. These never will be committed, as commits go in the order of checkpoints.
func (w *writer[K, V]) clean(ctx context.Context, committed *work, before []*work) {
	ctx, cancel := context.WithTimeout(ctx, w.sink.options.Timeout)
	defer cancel()
	t, err := w.sink.seen(ctx)
	if err != nil {
		return
	}
	files, err := filesOf(ctx, t)
	if err != nil {
		return
	}
	_ = files.Remove(committed.Manifest)
	for _, d := range before {
		d.remove(files)
	}
}

// errGone says that prepared files are not there any more.
var errGone = errors.New("the prepared files are gone: if a cleaning of the table has deleted them, their records are lost; let it keep files that are younger than the longest outage of the application")

// commit makes prepared files a part of the table by a snapshot that names their work. It is called again after an error that passes. own says that this process has prepared them.
func (w *writer[K, V]) commit(ctx context.Context, d *work, own bool) error {
	t, err := w.sink.seen(ctx)
	if err != nil {
		return err
	}
	if id := t.Metadata().TableUUID().String(); id != d.Table {
		return fmt.Errorf("rows were prepared for a table of this name with the UUID %s, and this one has %s: it was made anew; keep the former one, or delete the state of the application", d.Table, id)
	}
	if d.committed(t) {
		return nil
	}
	if !own { // the state of the task has the token, and another process may have committed it by now
		if t, err = w.sink.load(ctx); err != nil || d.committed(t) {
			return err
		}
	}
	if d.files == nil {
		err := d.read(ctx, t)
		if errors.Is(err, fs.ErrNotExist) { // another process has committed the token in this moment, or long ago
			if t, err = w.sink.load(ctx); err != nil || d.committed(t) || d.expired(t) {
				return err
			}
			return fmt.Errorf("%s, %d rows in %d files: %w", d.Manifest, d.Rows, d.Files, errGone)
		}
		if err != nil {
			return fmt.Errorf("read the list of data files: %w", err)
		}
	}
	options := []table.WriteOption{table.WithoutAutoNameMapping()}
	if own {
		options = append(options, table.WithoutDuplicateCheck())
	}
	tx := t.NewTransaction()
	// Of two processes that commit a token at once, one finds the table changed. iceberg-go must not try again on its own: it does not look for the token.
	if err := tx.AssertRefSnapshotID(table.MainBranch); err != nil {
		return err
	}
	err = tx.AddDataFiles(ctx, d.files, client.Properties{property: d.Work, "weir.application": w.task.Application}, options...)
	if !own && err != nil && strings.Contains(err.Error(), "already referenced by table") {
		return nil // by a snapshot that has expired
	}
	if err != nil {
		return err
	}
	if t, err = tx.Commit(ctx); err != nil {
		return err
	}
	w.sink.keep(t)
	return nil
}

// committed reports whether a snapshot of the table names the work.
func (d *work) committed(t *table.Table) bool {
	for _, s := range t.Metadata().Snapshots() {
		if s.Summary != nil && s.Summary.Properties[property] == d.Work {
			return true
		}
	}
	return false
}

// expired reports whether snapshots that are younger than the work have been removed from the history of the table. The manifest of a committed work is removed, and that of others is not, so
// one of these snapshots has committed the work.
func (d *work) expired(t *table.Table) bool {
	s := t.CurrentSnapshot()
	for s != nil && s.ParentSnapshotID != nil && time.UnixMilli(s.TimestampMs).After(time.UnixMilli(d.Millis)) {
		parent := t.SnapshotByID(*s.ParentSnapshotID)
		if parent == nil {
			return true
		}
		s = parent
	}
	return false
}

var _ sink.TwoPhaseWriter[string, any] = (*writer[string, any])(nil)
