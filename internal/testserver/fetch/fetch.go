//go:build unix

// Package fetch downloads the programs of test servers with the clients of package registries, compares them with
// checksums, and keeps them in a cache.
package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Source is something to fetch: a directory of files.
type Source struct {
	Name string // the beginning of its directory in the cache
	// Lists are files of the repository with the names of packages, such as a package-lock.json. The source is fetched
	// again when they change.
	Lists []string
	// Sums has the SHA-256 of each fetched file, as sha256sum prints them.
	Sums string
	// Unpinned sources have no Sums: a list of the package manager decides.
	Unpinned bool
	// Fill fetches the files into the directory files. work is another one, for logs, with copies of the lists.
	Fill func(ctx context.Context, files, work string) error
	// Unpack replaces checked archives by their content. It may be nil.
	Unpack func(ctx context.Context, files string) error

	definition string // of Fill: another one is another directory
}

// Cache is a directory of sources that were fetched.
type Cache struct {
	Dir  string
	Root string                           // of the repository: the lists are in it
	Say  func(format string, args ...any) // tells the user about fetches

	pause time.Duration // before the second attempt
}

// NewCache returns a cache in a directory, which Get makes.
func NewCache(dir, root string, say func(format string, args ...any)) *Cache {
	return &Cache{Dir: dir, Root: root, Say: say, pause: 3 * time.Second}
}

// Get returns the directory of a source, and fetches it if it is not in the cache. A fetch that ends early leaves
// nothing behind; of two at a time, one waits for the other, also if they are in different processes.
func (c *Cache) Get(ctx context.Context, s Source) (string, error) {
	key, err := c.key(s)
	if err != nil {
		return "", fmt.Errorf("fetch %s: %w", s.Name, err)
	}
	dir := filepath.Join(c.Dir, "servers", s.Name+"-"+key)
	if exists(dir) {
		return dir, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", fmt.Errorf("fetch %s: %w", s.Name, err)
	}
	unlock, err := lock(ctx, dir+".lock")
	if err != nil {
		return "", fmt.Errorf("fetch %s: %w", s.Name, err)
	}
	defer unlock()
	if exists(dir) {
		return dir, nil
	}
	err = c.fetched(ctx, s, func(files string) error {
		if !s.Unpinned {
			if err := verify(files, s.Sums); err != nil {
				return fmt.Errorf("%w (after a change of version: go run ./internal/testserver -accept)", err)
			}
		}
		if s.Unpack != nil {
			if err := s.Unpack(ctx, files); err != nil {
				return fmt.Errorf("unpack: %w", err)
			}
		}
		return os.Rename(files, dir)
	})
	if err != nil {
		return "", fmt.Errorf("fetch %s: %w", s.Name, err)
	}
	return dir, nil
}

// Sums fetches a source and returns its checksums, in the form of [Source.Sums].
func (c *Cache) Sums(ctx context.Context, s Source) (string, error) {
	if err := os.MkdirAll(filepath.Join(c.Dir, "servers"), 0o755); err != nil {
		return "", fmt.Errorf("fetch %s: %w", s.Name, err)
	}
	var sums string
	err := c.fetched(ctx, s, func(files string) (err error) {
		sums, err = sumsOf(files)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("fetch %s: %w", s.Name, err)
	}
	return sums, nil
}

// fetched calls use with a directory of the fetched files, which it removes afterwards.
func (c *Cache) fetched(ctx context.Context, s Source, use func(files string) error) (err error) {
	part, err := os.MkdirTemp(filepath.Join(c.Dir, "servers"), s.Name+".part-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(part)) }()
	var failed error
	for attempt := range 2 { // a network may fail once
		if attempt > 0 {
			c.Say("%v; trying once more", failed)
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(c.pause):
			}
		}
		c.Say("fetching %s", s.Name)
		files := filepath.Join(part, fmt.Sprint("files", attempt))
		work := filepath.Join(part, fmt.Sprint("work", attempt))
		if err := errors.Join(os.Mkdir(files, 0o755), os.Mkdir(work, 0o755), c.copyLists(s, work)); err != nil {
			return err
		}
		if failed = s.Fill(ctx, files, work); failed == nil {
			return use(files)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return failed
}

// key is a digest of everything that decides the content of the source.
func (c *Cache) key(s Source) (string, error) {
	digest := sha256.New()
	for _, part := range []string{s.Name, s.definition, s.Sums} {
		fmt.Fprintf(digest, "%d %s", len(part), part)
	}
	for _, list := range s.Lists {
		content, err := os.ReadFile(filepath.Join(c.Root, list))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(digest, "%d %s", len(content), content)
	}
	return hex.EncodeToString(digest.Sum(nil))[:12], nil
}

func (c *Cache) copyLists(s Source, work string) error {
	for _, list := range s.Lists {
		content, err := os.ReadFile(filepath.Join(c.Root, list))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(work, filepath.Base(list)), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return !errors.Is(err, fs.ErrNotExist)
}

// lock waits for a lock on a file, which ends with this process.
func lock(ctx context.Context, file string) (unlock func(), err error) {
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil // nothing was written
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", file, err), f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), f.Close())
		case <-time.After(100 * time.Millisecond):
		}
	}
}
