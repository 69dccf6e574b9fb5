//go:build unix

package fetch

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// tarOf writes an archive with entries; a file's content is its name.
func tarOf(t *testing.T, kind string, entries ...tar.Header) string {
	t.Helper()
	var buffer bytes.Buffer
	w := tar.NewWriter(&buffer)
	for _, e := range entries {
		e.Mode = 0o755
		if e.Typeflag == tar.TypeReg {
			e.Size = int64(len(e.Name))
		}
		if err := w.WriteHeader(&e); err != nil {
			t.Fatal(err)
		}
		if e.Typeflag == tar.TypeReg {
			if _, err := w.Write([]byte(e.Name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "archive"+kind)
	var content []byte
	switch kind {
	case ".tar.gz":
		var zipped bytes.Buffer
		w := gzip.NewWriter(&zipped)
		if _, err := w.Write(buffer.Bytes()); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		content = zipped.Bytes()
	case ".txz":
		xz := exec.Command("xz", "--stdout")
		xz.Stdin = &buffer
		var err error
		if content, err = xz.Output(); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(file, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func file(name string) tar.Header { return tar.Header{Typeflag: tar.TypeReg, Name: name} }

func link(name, target string) tar.Header {
	return tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target}
}

func TestArchivesAreUnpackedWithTheirLinksAndModes(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{".tar.gz", ".txz"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath("xz"); err != nil && kind == ".txz" {
				t.Skip("xz is missing")
			}
			dir := t.TempDir()
			archive := tarOf(t, kind,
				tar.Header{Typeflag: tar.TypeDir, Name: "lib/"}, file("lib/a.so.1"), link("lib/a.so", "a.so.1"), link("up", "lib/../lib"), file("./bin/run"))
			if err := Untar(t.Context(), archive, dir); err != nil {
				t.Fatal(err)
			}
			for name, want := range map[string]string{"lib/a.so": "lib/a.so.1", "up/a.so": "lib/a.so.1", "bin/run": "./bin/run"} {
				if have, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(have) != want {
					t.Errorf("%s: %q instead of %q, %v", name, have, want, err)
				}
			}
			if info, err := os.Stat(filepath.Join(dir, "bin/run")); err != nil || info.Mode()&0o100 == 0 {
				t.Errorf("bin/run cannot be run: %v, %v", info.Mode(), err)
			}
		})
	}
}

func TestEntriesThatLeadOutOfTheDirectoryAreRefused(t *testing.T) {
	t.Parallel()
	for name, entries := range map[string][]tar.Header{
		"a parent":                    {file("../out")},
		"a parent, hidden":            {file("in/../../out")},
		"an absolute name":            {file("/tmp/out")},
		"a link to a parent":          {link("in", "../out")},
		"a link below, to a parent":   {link("a/in", "../../out")},
		"an absolute link":            {link("in", "/etc/passwd")},
		"a link by way of another":    {tar.Header{Typeflag: tar.TypeDir, Name: "a/b/c"}, link("a/b/c/top", "../../.."), link("out", "a/b/c/top/..")},
		"a file by way of such links": {tar.Header{Typeflag: tar.TypeDir, Name: "a/b/c"}, link("a/b/c/top", "../../.."), link("out", "a/b/c/top/.."), file("out/escaped")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			parent := t.TempDir()
			dir := filepath.Join(parent, "dir")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			err := Untar(t.Context(), tarOf(t, ".tar.gz", entries...), dir)
			if err == nil {
				t.Error("unpacked")
			}
			if last := entries[len(entries)-1]; last.Name != "out/escaped" && !errors.Is(err, ErrEscape) { // os.Root has no error to match
				t.Errorf("%v instead of ErrEscape", err)
			}
			if outside, err := os.ReadDir(parent); err != nil || len(outside) != 1 {
				t.Errorf("%v are beside the directory, %v", outside, err)
			}
		})
	}
}

func TestADamagedArchiveIsAnError(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{".tar.gz", ".txz"} {
		if _, err := exec.LookPath("xz"); err != nil && kind == ".txz" {
			continue
		}
		archive := tarOf(t, kind, file("one"), file("two"))
		content, err := os.ReadFile(archive)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(archive, content[:len(content)-20], 0o644); err != nil {
			t.Fatal(err)
		}
		if err := Untar(t.Context(), archive, t.TempDir()); err == nil {
			t.Errorf("%s without its end was unpacked", kind)
		}
	}
}

func zipOf(t *testing.T, names ...string) string {
	t.Helper()
	archive := filepath.Join(t.TempDir(), "archive.jar")
	f, err := os.Create(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := zip.NewWriter(f)
	for _, name := range names {
		entry, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := entry.Write([]byte(name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return archive
}

func TestOnlyMatchingFilesOfAZipAreUnpacked(t *testing.T) {
	t.Parallel()
	archive := zipOf(t, "META-INF/MANIFEST.MF", "programs-linux.txz")
	dir := t.TempDir()
	if err := Unzip(archive, "programs-*.txz", dir); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != "programs-linux.txz" {
		t.Errorf("%v, %v", entries, err)
	}
	if err := Unzip(archive, "*.dmg", dir); err == nil {
		t.Error("no file matched, without an error")
	}
}

func TestAZipThatLeadsOutOfTheDirectoryIsRefused(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	dir := filepath.Join(parent, "dir")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Unzip(zipOf(t, "../out"), "../*", dir); err == nil {
		t.Error("unpacked")
	}
	if _, err := os.Stat(filepath.Join(parent, "out")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("out is beside the directory: %v", err)
	}
}
