package main

import (
	"encoding/json"
	"os"
	"path"
	"path/filepath"

	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

// writeProxy makes a module proxy in a folder: the files that GET requests of the GOPROXY protocol would return
// (https://go.dev/ref/mod#goproxy-protocol), with the public modules of the last commit at one version.
func writeProxy(folder, root string, modules []*goModule, version string) error {
	for _, m := range modules {
		if !m.public() {
			continue
		}
		if err := writeVersion(folder, root, m, version); err != nil {
			return err
		}
	}
	return nil
}

func writeVersion(folder, root string, m *goModule, version string) error {
	escaped, err := module.EscapePath(m.path)
	if err != nil {
		return err
	}
	versions := filepath.Join(folder, filepath.FromSlash(escaped), "@v")
	if err := os.MkdirAll(versions, 0o755); err != nil {
		return err
	}
	info, err := json.Marshal(map[string]string{"Version": version})
	if err != nil {
		return err
	}
	mod, err := git(root, "show", "HEAD:"+path.Join(m.folder, "go.mod"))
	if err != nil {
		return err
	}
	for name, content := range map[string]string{"list": version, version + ".info": string(info), version + ".mod": mod} {
		if err := os.WriteFile(filepath.Join(versions, name), []byte(content+"\n"), 0o644); err != nil {
			return err
		}
	}
	file, err := os.Create(filepath.Join(versions, version+".zip"))
	if err != nil {
		return err
	}
	if err := zip.CreateFromVCS(file, module.Version{Path: m.path, Version: version}, root, "HEAD", m.folder); err != nil {
		_ = file.Close() // the other error matters
		return err
	}
	return file.Close()
}
