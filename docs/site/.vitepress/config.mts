import { copyFileSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, posix, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitepress'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../../..')
const repository = 'https://github.com/weirstreams/weir'

// The pages of the repository that the site has beside those of docs.
const others = ['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'DESIGN.md', 'SECURITY.md']

interface Link { text: string, page: string, contents: string }
interface Section { title: string, links: Link[] }

// index returns the sections of docs/README.md: it orders the pages of the site as well.
function index(): Section[] {
  const sections: Section[] = []
  for (const line of readFileSync(join(root, 'docs/README.md'), 'utf8').split('\n')) {
    const heading = /^## (.*)/.exec(line)
    if (heading) sections.push({ title: heading[1], links: [] })
    const cells = line.startsWith('|') ? line.split('|') : []
    const found = [...line.matchAll(/\[([^\]]+)\]\(([^)]+)\)/g)]
    if (!cells.length || !found.length) continue
    for (const [, text, target] of found) {
      sections.at(-1)!.links.push({ text, page: posix.join('docs', target), contents: found.length == 1 ? cells[2].trim() : cells[1].trim() })
    }
  }
  return sections
}

// address returns the place of a page on the site: "docs/windows.md#sessions" is "/docs/windows#sessions".
function address(page: string): string {
  return '/' + page.replace(/(^|\/)README\.md/, '$1').replace(/\.md(?=#|$)/, '')
}

// outside returns the address of a file or folder that the site does not have, or undefined for a page that it has.
function outside(page: string, target: string): string | undefined {
  if (/^([a-z]+:|#)/.test(target)) return undefined
  const [file] = target.split('#')
  const path = posix.join(posix.dirname(page), file)
  if (path.endsWith('.md') && (path.startsWith('docs/') || others.includes(path)) || /\.(svg|png)$/.test(path)) return undefined
  if (!existsSync(join(root, path))) throw new Error(`${page}: the link to ${target} leads nowhere`)
  return `${repository}/${statSync(join(root, path)).isDirectory() ? 'tree' : 'blob'}/main/${path}`
}

export default defineConfig({
  title: 'Weir',
  description: 'A Go library for stream processing on Kafka',
  lang: 'en',
  srcDir: '../..',
  outDir: '../../build/site',
  cacheDir: '../../build/site-cache',
  srcExclude: ['**/node_modules/**', '.github/**', 'bench/**', 'build/**', 'examples/**', 'internal/**', 'lint/**', '**/testdata/**'],
  rewrites: { 'README.md': 'index.md', 'docs/README.md': 'docs/index.md' },
  cleanUrls: true,
  vite: {
    plugins: [{
      // Pages lie outside of this folder, and do not find its packages by themselves.
      name: 'packages-for-pages',
      enforce: 'pre',
      resolveId(id, importer, options) {
        if (/^vue($|\/)/.test(id) && importer?.endsWith('.md')) return this.resolve(id, fileURLToPath(import.meta.url), { ...options, skipSelf: true })
      },
    }],
  },
  markdown: {
    config(md) {
      md.core.ruler.push('links-to-the-repository', (state) => {
        const page = posix.relative(root, state.env.path).replace(/^(docs\/)?index\.md$/, '$1README.md')
        for (const block of state.tokens) {
          for (const token of block.children ?? []) {
            const target = token.type == 'link_open' && token.attrGet('href')
            const there = target && outside(page, target)
            if (there) token.attrSet('href', there)
          }
        }
      })
    },
  },
  themeConfig: {
    nav: [
      { text: 'Tutorial', link: '/docs/tutorial' },
      { text: 'How-to', link: '/docs/how-to' },
      { text: 'Documentation', link: '/docs/' },
      { text: 'Reference', link: 'https://pkg.go.dev/github.com/weirstreams/weir' },
    ],
    sidebar: index().map(({ title, links }) => ({
      text: title, collapsed: false, items: links.map(({ text, page }) => ({ text, link: address(page) })),
    })),
    outline: [2, 3],
    search: { provider: 'local' },
    socialLinks: [{ icon: 'github', link: repository }],
  },
  // The site has each page as Markdown too, and llms.txt lists them (https://llmstxt.org).
  buildEnd({ outDir, pages }) {
    for (const page of pages) {
      mkdirSync(dirname(join(outDir, page)), { recursive: true })
      copyFileSync(join(root, page), join(outDir, page))
    }
    const lines = ['# Weir', '', '> A Go library for stream processing on Kafka.', '']
    for (const { title, links } of index()) {
      lines.push(`## ${title}`, '')
      for (const { text, page, contents } of links) lines.push(`- [${text}](/${page.split('#')[0]}): ${contents}`)
      lines.push('')
    }
    writeFileSync(join(outDir, 'llms.txt'), lines.join('\n'))
  },
})
