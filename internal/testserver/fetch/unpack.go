//go:build unix

package fetch

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// ErrEscape says that an archive has a file or a link that leads out of the directory that it is unpacked into.
var ErrEscape = errors.New("leads out of the directory")

// Untar unpacks a .tar.gz or, with the program xz, a .tar.xz or .txz into a directory that exists. It refuses entries
// outside of the directory.
func Untar(ctx context.Context, archive, dir string) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	switch filepath.Ext(archive) {
	case ".gz", ".tgz":
		content, err := gzip.NewReader(f)
		if err != nil {
			return fmt.Errorf("%s: %w", archive, err)
		}
		return untar(archive, content, dir)
	case ".xz", ".txz":
		if _, err := exec.LookPath("xz"); err != nil {
			return fmt.Errorf("xz is missing (Debian: xz-utils): %w", err)
		}
		var complaint bytes.Buffer
		xz := exec.CommandContext(ctx, "xz", "--decompress", "--stdout")
		xz.Stdin, xz.Stderr = f, &complaint
		content, err := xz.StdoutPipe()
		if err != nil {
			return err
		}
		if err := xz.Start(); err != nil {
			return err
		}
		err = untar(archive, content, dir)
		_, rest := io.Copy(io.Discard, content) // padding, without which xz would fail
		if err := errors.Join(err, rest, xz.Wait()); err != nil {
			return fmt.Errorf("%w%s", err, &complaint)
		}
		return nil
	}
	return fmt.Errorf("%s: no known kind of archive", archive)
}

func untar(archive string, content io.Reader, dir string) error {
	root, err := os.OpenRoot(dir) // which refuses to follow links out of it
	if err != nil {
		return err
	}
	defer root.Close()
	entries := tar.NewReader(content)
	var links []string
	for {
		entry, err := entries.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("%s: %w", archive, err)
		}
		if err := untarEntry(root, entry, entries); err != nil {
			return fmt.Errorf("%s: %s: %w", archive, entry.Name, err)
		}
		if entry.Typeflag == tar.TypeSymlink {
			links = append(links, entry.Name)
		}
	}
	for _, link := range links { // by way of other links it may lead elsewhere than its text says
		if _, err := root.Stat(link); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("%s: link %s: %w: %w", archive, link, ErrEscape, err)
		}
	}
	return nil
}

func untarEntry(root *os.Root, entry *tar.Header, content io.Reader) error {
	name, err := local(entry.Name)
	if err != nil {
		return err
	}
	switch entry.Typeflag {
	case tar.TypeDir:
		return root.MkdirAll(name, 0o755)
	case tar.TypeXGlobalHeader:
		return nil // metadata
	case tar.TypeReg:
		return write(root, name, content, entry.FileInfo().Mode().Perm())
	case tar.TypeSymlink:
		if path.IsAbs(entry.Linkname) {
			return fmt.Errorf("link to %s: %w", entry.Linkname, ErrEscape)
		}
		if _, err := local(path.Join(path.Dir(name), entry.Linkname)); err != nil {
			return fmt.Errorf("link to %s: %w", entry.Linkname, err)
		}
		if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
			return err
		}
		return root.Symlink(entry.Linkname, name)
	}
	return fmt.Errorf("entry of type %q is not supported", entry.Typeflag)
}

// Unzip unpacks the files of a zip or jar that match a pattern of [path.Match]. It refuses entries outside of the
// directory.
func Unzip(archive, pattern, dir string) error {
	entries, err := zip.OpenReader(archive)
	if err != nil {
		return fmt.Errorf("%s: %w", archive, err)
	}
	defer entries.Close()
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	found := false
	for _, entry := range entries.File {
		if matches, err := path.Match(pattern, entry.Name); err != nil || !matches || strings.HasSuffix(entry.Name, "/") {
			if err != nil {
				return err
			}
			continue
		}
		found = true
		if err := unzipEntry(root, entry); err != nil {
			return fmt.Errorf("%s: %s: %w", archive, entry.Name, err)
		}
	}
	if !found {
		return fmt.Errorf("%s: no entry matches %s", archive, pattern)
	}
	return nil
}

func unzipEntry(root *os.Root, entry *zip.File) error {
	name, err := local(entry.Name)
	if err != nil {
		return err
	}
	content, err := entry.Open()
	if err != nil {
		return err
	}
	defer content.Close()
	return write(root, name, content, 0o644)
}

// local returns a cleaned name, or ErrEscape if it is none below the directory.
func local(name string) (string, error) {
	if !filepath.IsLocal(name) {
		return "", ErrEscape
	}
	return path.Clean(name), nil
}

func write(root *os.Root, name string, content io.Reader, mode os.FileMode) error {
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode|0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, content); err != nil {
		return errors.Join(err, f.Close())
	}
	return f.Close()
}
