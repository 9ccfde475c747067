/** What a piece of code is; its number is what the worker sends, its name the class that gives the colour. */
export const KINDS = [
  'plain',
  'comment',
  'string',
  'constant',
  'keyword',
  'function',
  'type',
  'name',
  'tag',
  'attribute',
  'heading',
  'strong',
] as const;

export type Kind = (typeof KINDS)[number];

/** Which names of TextMate grammars are of which kind; later ones win over earlier ones of the same depth. */
export const SCOPES: [Kind, string[]][] = [
  ['comment', ['comment', 'punctuation.definition.comment', 'string.quoted.docstring']],
  ['string', ['string', 'markup.inline.raw', 'markup.fenced_code', 'punctuation.definition.string']],
  ['constant', ['constant', 'support.constant', 'variable.other.enummember', 'string.regexp']],
  [
    'keyword',
    [
      'keyword',
      'storage',
      'variable.language',
      'punctuation.definition.template-expression',
      'entity.name.directive',
    ],
  ],
  ['plain', ['keyword.operator', 'punctuation', 'meta.template.expression', 'storage.type.java']],
  ['keyword', ['keyword.operator.new', 'keyword.operator.expression', 'keyword.operator.logical.python']],
  [
    'function',
    ['entity.name.function', 'support.function', 'meta.function-call.generic', 'entity.name.command'],
  ],
  [
    'type',
    [
      'entity.name.type',
      'entity.name.class',
      'support.type',
      'support.class',
      'entity.other.inherited-class',
    ],
  ],
  ['type', ['entity.name.namespace', 'entity.name.struct', 'storage.type.primitive']],
  ['name', ['support.type.property-name', 'variable.parameter', 'meta.object-literal.key']],
  ['tag', ['entity.name.tag']],
  ['attribute', ['entity.other.attribute-name', 'meta.decorator', 'meta.attribute']],
  ['heading', ['markup.heading', 'entity.name.section']],
  ['strong', ['markup.bold', 'markup.italic']],
];
