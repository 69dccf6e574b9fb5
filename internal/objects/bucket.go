package objects

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"sync"
	"time"

	"gocloud.dev/blob"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
)

// Bucket is a bucket, or the part of it below a prefix. Keys of its methods are those below the prefix. Methods may be called by several
// goroutines at once, after Connect.
type Bucket struct {
	store    Store
	settings Settings
	prefix   string // ends with a slash, unless it is empty
	bucket   *blob.Bucket
	calls    *http.Client
	open     bool
}

// New returns a bucket, without a connection.
func New(store Store, settings Settings) *Bucket {
	if settings.Timeout == 0 {
		settings.Timeout = defaultTimeout
	}
	b := &Bucket{store: store, settings: settings}
	if settings.Prefix != "" {
		b.prefix = settings.Prefix + "/"
	}
	b.settings.Retry.If = passes
	return b
}

// String names the bucket and the prefix.
func (b *Bucket) String() string { return strings.TrimSuffix(b.URL(""), "/") }

// URL returns a key as a URL for people.
func (b *Bucket) URL(key string) string { return b.settings.URL + "/" + b.prefix + key }

// PrefixLen is the length of the part of each key that the prefix takes.
func (b *Bucket) PrefixLen() int { return len(b.prefix) }

// check returns everything that is wrong with the settings.
func (b *Bucket) check() error {
	var errs []error
	if b.settings.Timeout < 0 {
		errs = append(errs, errors.New("the option Timeout must not be negative"))
	}
	if b.settings.Prefix != "" {
		for part := range strings.SplitSeq(b.settings.Prefix, "/") {
			// The same rules as for folders of data, so that no prefix means another place to a store than to a reader.
			if escaped, err := connector.Segment(part); part == "" || err != nil || escaped != part && !strings.Contains(part, "=") {
				errs = append(errs, fmt.Errorf("prefix %q: %q is no name of a folder: names are not empty, do not begin with a dot or an underscore, and have "+
					"no special characters; no slash stands at the beginning or the end", b.settings.Prefix, part))
				break
			}
		}
	}
	return errors.Join(errs...)
}

// Connect checks the settings and makes the client. It makes no call.
func (b *Bucket) Connect(ctx context.Context) error {
	if err := b.check(); err != nil {
		return fmt.Errorf("%s: %w: %w", b, weir.ErrConfiguration, err)
	}
	b.calls = &http.Client{Transport: Transport(http.DefaultTransport)}
	bucket, err := b.store.Open(ctx, b.calls)
	if err != nil {
		return fmt.Errorf("%s: %w", b, b.scrubbed(err))
	}
	b.bucket, b.open = bucket, true
	return nil
}

// Transport returns a transport for one bucket, which keeps as many connections as its tasks use, with the settings of another one.
func Transport(like http.RoundTripper) *http.Transport {
	t := &http.Transport{}
	if usual, ok := like.(*http.Transport); ok {
		t = usual.Clone()
	}
	t.MaxIdleConnsPerHost = 64
	return t
}

// IsOpen reports whether the bucket is between Connect and Close.
func (b *Bucket) IsOpen() bool { return b.open }

// Close closes the client, if there is one.
func (b *Bucket) Close() error {
	if !b.open {
		return nil
	}
	b.open = false
	defer b.calls.CloseIdleConnections()
	if err := b.bucket.Close(); err != nil {
		return fmt.Errorf("%s: close: %w", b, b.scrubbed(err))
	}
	return nil
}

// call makes a call as often as the policy says, each time with a deadline.
func (b *Bucket) call(ctx context.Context, call Call, key string, content int64, f func(ctx context.Context) error) error {
	return b.settings.Retry.Do(ctx, func(ctx context.Context) error {
		limit := b.timeout(content)
		bounded, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		err := f(bounded)
		if err == nil {
			return nil
		}
		if bounded.Err() != nil { // clients do not all wrap it
			err = errors.Join(context.DeadlineExceeded, err)
		}
		return b.failed(ctx, call, key, limit, err)
	})
}

// slowest is the number of bytes per second that a connection has to transfer.
const slowest = 512 << 10

// timeout bounds a call with so many bytes of content.
func (b *Bucket) timeout(content int64) time.Duration {
	return b.settings.Timeout + time.Duration(content)*time.Second/slowest
}

// partSize is the size of the parts that larger objects are uploaded in.
const partSize = 8 << 20

// Upload makes an object of the content, or replaces it.
func (b *Bucket) Upload(ctx context.Context, key string, content []byte, contentType string) error {
	return b.call(ctx, Upload, key, int64(len(content)), func(ctx context.Context) error {
		o := &blob.WriterOptions{ContentType: contentType, BufferSize: partSize, MaxConcurrency: 2}
		return b.bucket.Upload(ctx, b.prefix+key, bytes.NewReader(content), o)
	})
}

// Copy copies an object. A missing one is fs.ErrNotExist.
func (b *Bucket) Copy(ctx context.Context, to, from string, size int64) error {
	return b.call(ctx, Copy, from, size, func(ctx context.Context) error {
		if b.store.Copy != nil {
			return b.store.Copy(ctx, b.bucket, b.prefix+to, b.prefix+from)
		}
		return b.bucket.Copy(ctx, b.prefix+to, b.prefix+from, nil)
	})
}

// Delete removes an object. It does nothing if there is none.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	err := b.call(ctx, Delete, key, 0, func(ctx context.Context) error { return b.bucket.Delete(ctx, b.prefix+key) })
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// ReadAll returns the content of a small object. A missing one is fs.ErrNotExist.
func (b *Bucket) ReadAll(ctx context.Context, key string) (content []byte, err error) {
	err = b.call(ctx, Read, key, 0, func(ctx context.Context) (err error) {
		content, err = b.bucket.ReadAll(ctx, b.prefix+key)
		return err
	})
	return content, err
}

// Exists reports whether there is an object.
func (b *Bucket) Exists(ctx context.Context, key string) (bool, error) {
	_, err := b.Stat(ctx, key)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Info describes an object.
type Info struct {
	Key     string
	Size    int64
	Changed time.Time
	// Version tells the content from that of other objects of the same key. List leaves it out.
	Version string
}

// Stat describes an object. A missing one is fs.ErrNotExist.
func (b *Bucket) Stat(ctx context.Context, key string) (info Info, err error) {
	err = b.call(ctx, Read, key, 0, func(ctx context.Context) error {
		a, err := b.bucket.Attributes(ctx, b.prefix+key)
		if err != nil {
			return err
		}
		info = Info{Key: key, Size: a.Size, Changed: a.ModTime, Version: b.store.Version(a.As)}
		return nil
	})
	return info, err
}

const pageSize = 1000

// List calls visit for the objects whose keys begin with a prefix, in the order of the store. Unless deep is set, it leaves out those
// with a slash behind the prefix.
func (b *Bucket) List(ctx context.Context, prefix string, deep bool, visit func(Info) error) error {
	o := &blob.ListOptions{Prefix: b.prefix + prefix}
	if !deep {
		o.Delimiter = "/"
	}
	for token := blob.FirstPageToken; len(token) > 0; {
		var page []*blob.ListObject
		err := b.call(ctx, List, prefix, 0, func(ctx context.Context) error {
			found, next, err := b.bucket.ListPage(ctx, token, pageSize, o)
			if err == nil {
				page, token = found, next
			}
			return err
		})
		if err != nil {
			return err
		}
		for _, found := range page {
			if found.IsDir {
				continue
			}
			if err := visit(Info{Key: strings.TrimPrefix(found.Key, b.prefix), Size: found.Size, Changed: found.ModTime}); err != nil {
				return err
			}
		}
	}
	return nil
}

// ProbeReads finds out whether objects can be listed and read.
func (b *Bucket) ProbeReads(ctx context.Context) error {
	errFound := errors.New("found")
	var first string
	err := b.List(ctx, "", true, func(i Info) error {
		if i.Size == 0 {
			return nil
		}
		first = i.Key
		return errFound
	})
	if err != nil && !errors.Is(err, errFound) || first == "" {
		return err
	}
	return b.settings.Retry.Do(ctx, func(ctx context.Context) error {
		r, err := b.openRange(ctx, first, 0, 1)
		if err != nil {
			return err
		}
		return r.Close()
	})
}

// ProbeWrites finds out whether objects can be listed, written, read, copied and deleted below a key.
func (b *Bucket) ProbeWrites(ctx context.Context, key string) error {
	const content = "a file that Weir makes to find out whether it can"
	again := key + "-copy"
	for _, call := range []func(ctx context.Context) error{
		func(ctx context.Context) error { return b.List(ctx, key, true, func(Info) error { return nil }) },
		func(ctx context.Context) error { return b.Upload(ctx, key, []byte(content), "text/plain") },
		func(ctx context.Context) error { return b.Copy(ctx, again, key, 0) },
		func(ctx context.Context) error {
			read, err := b.ReadAll(ctx, again)
			if err == nil && string(read) != content {
				err = fmt.Errorf("%s has another content than the one that was written: %q", b.URL(again), read)
			}
			return err
		},
		func(ctx context.Context) error { return errors.Join(b.Delete(ctx, key), b.Delete(ctx, again)) },
	} {
		if err := call(ctx); err != nil {
			return err
		}
	}
	return nil
}

// atOnce is the number of calls that one task makes at a time.
const atOnce = 8

// Each calls f for 0 to n-1, several at a time, and returns the first error. It waits for all of them.
func Each(ctx context.Context, n int, f func(ctx context.Context, i int) error) error {
	if n == 1 {
		return f(ctx, 0)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var first error
	var once sync.Once
	var calls sync.WaitGroup
	free := make(chan struct{}, atOnce)
	for i := range n {
		select {
		case free <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			once.Do(func() { first = context.Cause(ctx) })
			break
		}
		calls.Go(func() {
			defer func() { <-free }()
			if err := f(ctx, i); err != nil {
				once.Do(func() { first = err })
				cancel(err)
			}
		})
	}
	calls.Wait()
	return first
}

// rangeReader is an open answer with a part of an object.
type rangeReader struct {
	*blob.Reader
	version string
	cancel  context.CancelFunc
}

func (r *rangeReader) Close() error {
	r.cancel()
	return r.Reader.Close()
}

// openRange opens a part of an object; a negative length means all that is left. It makes one attempt. ctx and the deadline are those of the head of the
// answer.
func (b *Bucket) openRange(ctx context.Context, key string, offset, length int64) (*rangeReader, error) {
	limit := b.timeout(0)
	outlives, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, cancel)
	timer := time.AfterFunc(limit, cancel)
	opened, err := b.bucket.NewRangeReader(outlives, b.prefix+key, offset, length, nil)
	inTime := timer.Stop()
	if alive := stop(); err == nil && inTime && alive {
		return &rangeReader{opened, b.store.Version(opened.As), cancel}, nil
	}
	cancel()
	if err == nil {
		_ = opened.Close() // nothing was read
	}
	if !inTime || err == nil {
		err = context.DeadlineExceeded
	}
	return nil, b.failed(ctx, Read, key, limit, err)
}
