// Writes segments_golden.json.gz: texts with the answers of Twilio's own calculator, which
// test_segments.py compares with ours. Tests do not need this file, nor Node. To write it anew, in
// an empty folder outside the repository:
//
//   npm install sms-segments-calculator@1.3.0
//   node REPOSITORY/tests/shared/domain/make_golden.mjs [OUT] [COUNT] [SEED]
//
// With no arguments it writes the committed file, byte for byte the same texts. For a larger
// comparison write COUNT texts of another SEED to OUT and point the test's GOLDEN at OUT.
//
// "make_golden.mjs --tables" instead prints the break classes of grapheme-splitter 1.0.4, which that
// calculator uses, as the ranges that stand in shared/domain/graphemes.py.
//
// One line per text: [text, smart encoding 0 or 1, encoding, units, lengths of the segments].
// Units and lengths do not count headers; lengths are in UTF-16 units of the (smart) text.
import { createRequire } from 'node:module'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'

const require = createRequire(process.cwd() + '/')
const { SegmentedMessage } = require('sms-segments-calculator')
const smartMap = require('sms-segments-calculator/dist/libs/SmartEncodingMap.js').default

if (process.argv[2] === '--tables') {
  printTables()
  process.exit()
}
const here = fileURLToPath(new URL('segments_golden.json.gz', import.meta.url))
const [out = here, count = '4500', seed = '1'] = process.argv.slice(2)

let state = Number(seed)
function below(n) { // mulberry32
  state = (state + 0x6d2b79f5) | 0
  let t = Math.imul(state ^ (state >>> 15), 1 | state)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4294967296) * n)
}
const pick = (list) => list[below(list.length)]
const between = (low, high) => low + below(high - low + 1)
const range = (first, last) =>
  Array.from({ length: last - first + 1 }, (_, i) => String.fromCodePoint(first + i))

const ALPHABETS = {
  basic: [...'etaoin shrdlu ETAOIN.,!?\'"@£$¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ¤%&()*+-/:;<=>¡ÄÖÑÜ§¿äöñüà\n\r'],
  extension: [...'^{}\\[~]|€\f'],
  western: [...'áçâêíóúœŒ’“”–—…«»•™©®½`´\u00a0\u202f\u200b\t'],
  smart: Object.keys(smartMap),
  simple: [...'😀😎🎉🙏💙🚗📦🌍🍕🏠✅⭐☎️'],
  people: [...'👩👨👧👦🧑🙋💁👍👋✊🎅🏃☝⛹🕵', '👶', '👱', '🤝', '🫶', '🧙'],
  tones: range(0x1f3fb, 0x1f3ff),
  glue: [...'♀♂⚕⚖✈❤🌈🌾🍳🎓🎤🎨🏫🏭💋💻💼🔧🔬🗨🚀🚒'],
  flags: range(0x1f1e6, 0x1f1ff),
  joiners: ['\u200d', '\ufe0f', '\u20e3', '\u200c', '\u{e0067}', '\u{e007f}'],
  marks: [...range(0x300, 0x345), '\u0483', '\u05b0', '\u064b', '\u1ab0', '\u1dc0', '\u20d0', '\ufe20'],
  jamo: [...range(0x1100, 0x1112), ...range(0x1160, 0x1175), ...range(0x11a8, 0x11c2), '\ua960', '\ud7b0', '\ud7cb'],
  hangul: ['가', '각', '힣', '한', '국', '어', '안', '녕', '개'],
  indic: [...'कखगनमस्ते़ािीुेैोौंःதமிழ்ுொানমস্কাேരളം്ේසිං', 'ൎ', '\u0d4e', 'ไ', 'ท', 'ย', 'ำ', '์', '่', 'ँ'],
  prepend: ['\u0600', '\u06dd', '\u070f', '\u08e2', '\u0d4e', '\u{110bd}', '\u{111c2}', '\u{11a3a}'],
  control: ['\0', '\x07', '\x1b', '\x7f', '\u0085', '\u00ad', '\u200e', '\u2028', '\ufeff', '\u{1d173}', '\u{e0001}'],
  cjk: [...'你好世界谢谢您的订单，。こんにちはありがとう'],
  far: ['𝒜', '𠜎', '\u{1d165}', '\u{11000}', '\u{1e944}', '\u{10ffff}', '\u{2f800}', '\u{e0100}', '\u{f0000}'],
  breaks: ['\r\n', '\r', '\n', '\n\r'],
}
const WHOLE = [
  '👨‍👩‍👧‍👦', '👩🏽‍🚀', '🏳️‍🌈', '👩‍❤️‍💋‍👨', '🇳🇱', '🇺🇸🇨🇦', '👍🏿', '1️⃣', '🏴\u{e0067}\u{e0062}\u{e007f}', 'é', 'ﷺ', '각', 'क्षि', '\r\n',
  '👩‍👩‍👧‍👧', '🤷🏻‍♂️', '☝️', '☝️🏽', '🧑🏾‍🤝‍🧑🏼', 'Z̑ͫ̓ͪ', '🇳', 'ี่',
]
const PHRASES = ['Hi Ana, your order is on its way. ', 'Reply STOP to opt out. ', 'It’s “ready” – see you… ', 'a', 'x ', 'é', '{ok} ', '€5 ']
const NAMES = Object.keys(ALPHABETS)
const EDGES = [69, 70, 71, 133, 134, 135, 136, 152, 153, 154, 159, 160, 161, 162, 200, 201, 202, 305, 306, 307, 308]

const clutter = (length) => Array.from({ length }, () => pick(ALPHABETS[pick(NAMES)])).join('')
const blend = (length, names) => Array.from({ length }, () => pick(ALPHABETS[pick(names)])).join('')

function atTheEdge() { // filler up to a boundary, then something that may straddle it
  const edge = pick(EDGES)
  const filler = pick([...PHRASES, pick(WHOLE), pick(ALPHABETS.basic), pick(ALPHABETS.extension)])
  const tail = [pick(WHOLE), pick(WHOLE), blend(between(1, 4), [pick(NAMES), 'extension'])]
  const body = filler.repeat(Math.ceil(edge / filler.length)).slice(0, edge - below(6))
  const cut = below(2) ? pick(tail) : pick(tail) + pick(tail)
  return (body + cut + filler.repeat(below(8))).toWellFormed()
}

function words() { // an everyday message, now and then with something odd in it
  let text = ''
  const goal = pick([40, 70, 140, 160, 200, 320])
  while (text.length < goal) text += below(6) ? pick(PHRASES) : pick(WHOLE)
  return text
}

function heap() { // a few large graphemes: marks piled up on one letter, or a chain of joined people
  const mark = pick(['\u0301', '\u200d👩', '\ufe0f', 'ु', '\u1175', '🏽'])
  const one = () => pick(['e', '👩', 'ᄀ', 'क', '\u0600', '🇳']) + mark.repeat(pick([1, 5, 20, 33, 34, 60, 66, 67, 68, 69, 70, 90]))
  return pick(['', 'a', 'a'.repeat(60)]) + one() + pick(['', 'b', 'b'.repeat(9)]) + one() + 'c'.repeat(below(70))
}

const makers = [
  atTheEdge, atTheEdge, atTheEdge, atTheEdge, atTheEdge, words, words, heap, heap,
  () => clutter(between(0, 40)),
  () => blend(between(60, 80), [pick(NAMES), pick(NAMES)]),
  () => blend(between(40, 80), ['people', 'tones', 'joiners', 'glue', 'flags']),
  () => blend(pick(EDGES) - between(0, 3), ['basic', 'basic', 'basic', 'extension']),
  () => blend(between(60, 80), ['basic', 'smart', 'western']),
]

function answer(text, smart) {
  const message = new SegmentedMessage(text, 'auto', smart === 1)
  const bits = message.encodingName === 'GSM-7' ? 7 : 16
  const lengths = message.segments.map((segment) =>
    segment.reduce((sum, char) => sum + (char.isUserDataHeader ? 0 : char.raw.length), 0))
  return [text, smart, message.encodingName, message.messageSize / bits, lengths]
}

const texts = ['', '\r\n', 'a\r\nb', Object.keys(smartMap).join('x'), ...NAMES.map((name) => ALPHABETS[name].join(''))]
while (texts.length < Number(count)) texts.push(pick(makers)())
const lines = texts.flatMap((text, i) =>
  i < 30 ? [answer(text, 0), answer(text, 1)] : [answer(text, below(4) ? 0 : 1)])
writeFileSync(out, gzipSync(lines.map((line) => JSON.stringify(line)).join('\n') + '\n', { level: 9 }))

function printTables() {
  const letters = 'rncefslvtabophmzgx' // as in graphemes.py, in the order of the package's numbers
  const source = readFileSync(require.resolve('grapheme-splitter'), 'utf8')
    .replace('this.nextBreak =', 'this.property = getGraphemeBreakProperty; this.nextBreak =')
  const module = { exports: {} }
  new Function('module', source)(module)
  const { property } = new module.exports()
  const ranges = {}
  for (let code = 0, first = 0; code <= 0x10ffff; code++) {
    if (code < 0x10ffff && property(code) === property(code + 1)) continue
    const [low, high] = [first, code].map((at) => at.toString(16).toUpperCase())
    ;(ranges[letters[property(code)]] ??= []).push(low === high ? low : `${low}-${high}`)
    first = code + 1
  }
  for (const letter of letters) if (letter !== 'o') console.log(letter, ranges[letter].join(' '))
}
